from datetime import datetime

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun

XAMSL = detector.load("xamsl")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"number": 1_000_000}, "run number 1000000"),
        ({"start": datetime(2026, 1, 1)}, "start is .*time zone"),
        ({"duration": 0}, "duration is 0, allowed:"),
        ({"rate": -1}, "rate is -1, allowed:"),
        ({"rate": float("nan")}, "rate is nan, allowed:"),
        ({"noise": float("inf")}, "noise is inf, allowed:"),
        ({"seed": -1}, "seed is -1, allowed:"),
        ({"threads": 0}, "threads is 0, allowed: 1 to"),
        ({"threads": 2, "idle_threads": 3}, "idle threads is 3, allowed: 0 to 2"),
        ({"integers": "int16"}, "integers is 'int16', allowed: int32, int64, double"),
        (
            {"idle_threads": 1, "board_fail_threads": 2},
            "board fail threads is 2, allowed: 0 to 1",
        ),
        ({"chunk_overlap": 0.0}, "chunk overlap is 0.0, allowed:"),
        ({"fragment_payload": 222}, "fragment payload is 222, allowed: a multiple of 4"),
        ({"pulse_length": 505}, "pulse length is 505, allowed: a multiple of 10"),
        ({"pulse_length": 50}, "pulse length is 50, allowed: 68 to"),
        ({"s2_fraction": 1.5}, "s2 fraction is 1.5, allowed: 0 to 1"),
        (
            {"fragment_payload": 4, "s2_width": 20_000.0},
            "fragment payload is 4, allowed: more",
        ),
    ],
)
def test_impossible_values_are_named_with_what_is_allowed(wrong, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        SimulatedRun(**{"number": 932, "detector": XAMSL} | wrong)
    assert "\n" not in str(caught.value)


def test_more_readers_than_boards_are_refused_before_anything_is_written(tmp_path):
    run = SimulatedRun(932, XAMSL, readers=3)
    with pytest.raises(ConfigurationError, match="readers is 3, allowed: 1 to 2"):
        LiveRun(run, tmp_path)
    assert list(tmp_path.iterdir()) == []
