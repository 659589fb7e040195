"""Peak classification and positions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hand_made import Made, made_of, pulse, square, xams
from xamsflow.base.errors import ConfigurationError
from xamsflow.data.plugins.peak_classification import S1, S2, UNKNOWN, classify
from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector


def with_positions(**changes: Any) -> Detector:
    one = xams()
    assert one.tpc is not None
    return replace(one, tpc=replace(one.tpc, **changes))


def light_of(*shares: tuple[float, ...], one: Detector) -> Made:
    """Return what is made of peaks with these shares of light in channels 0 to 4."""
    pulses = [
        pulse(5000 * (i + 1), channel, square(int(1000 * share)))
        for i, each in enumerate(shares)
        for channel, share in enumerate(each)
        if share
    ]
    return made_of(*pulses, one=one)


def test_types_by_area_and_width() -> None:
    cases = {
        (1, 20): S1,
        (0.99, 20): UNKNOWN,
        (1e6, 140): S1,
        (1e6, 141): UNKNOWN,
        (100, 600): S2,
        (99.9, 600): UNKNOWN,
        (100, 599): UNKNOWN,
        (-1, 0): UNKNOWN,
        (50, 1000): UNKNOWN,
    }
    one = xams()
    assert one.tpc is not None
    assert one.tpc.signals.classification is not None
    area, width = np.transpose(list(cases))
    types = classify(area, width, one.tpc.signals.classification)
    assert types.tolist() == list(cases.values())


def test_peaks_and_peak_basics_of_the_tpc_have_types() -> None:
    wide = 200 * np.exp(-0.5 * (np.linspace(-3, 3, 1800)) ** 2)
    made = made_of(pulse(5000, 1, square()), pulse(50_000, 1, wide), pulse(5000, 6, square()))
    for data_type in ("peaks", "peak_basics"):
        assert made[data_type]["type"].tolist() == [S1, S2]
        assert "type" not in made[f"{data_type}_sipm"].dtype.names


def test_positions_are_centroids() -> None:
    made = made_of(
        pulse(1000, 1, square()),
        pulse(5000, 1, square()),
        pulse(5000, 2, square()),
        *(pulse(9000, channel, square()) for channel in range(5)),
        pulse(13_000, 0, square()),
    )
    positions = made["peak_positions"]
    assert positions["x"][:3] == pytest.approx([-10, 0, 0])
    assert positions["y"][:3] == pytest.approx([10, 10, 0])
    assert np.isnan(positions["x"][3])  # light in the bottom channel only
    events = made.context.get_single_plugin("0", "event_basics").dtype_for("event_basics").names
    assert {"s2_x", "s2_y"} <= set(events)


def test_positions_from_shares_of_the_top_array() -> None:
    published = corrections.load("xams_positions_v0")
    one = with_positions(position_polynomials=published, positions=())
    made = light_of((0.5, 0.2, 0.1, 0.1, 0.1), (0, 0, 0.4, 0, 0.4), (0.5, 0, 0, 0, 0), one=one)
    positions = made["peak_positions"]
    for axis, share, polynomial in zip("xy", (0.6, 0.6), published.entry(7).value, strict=True):
        expected = np.polyval(polynomial, share)
        assert positions[f"{axis}_cgr"][0] == pytest.approx(share, abs=1e-5)
        assert positions[axis][0] == positions[f"{axis}_corr"][0] == pytest.approx(expected, 1e-4)
    assert positions["x_cgr"][1] == pytest.approx(0.5, abs=1e-5)
    assert positions["y_cgr"][1] == 0
    assert positions["y"][1] == pytest.approx(published.entry(7).value[1][-1], rel=1e-5)
    assert positions["r"][:2] == pytest.approx(np.hypot(positions["x"], positions["y"])[:2])
    assert np.isnan([positions[name][2] for name in ("x", "y", "r", "x_cgr", "y_corr")]).all()


def test_unknown_positions_are_nan() -> None:
    positions = light_of((0, 0.1, 0.1, 0.1, 0.1), one=with_positions(positions=()))[
        "peak_positions"
    ]
    assert len(positions) == 1
    for name in ("x", "y", "r", "x_cgr", "y_cgr", "x_corr", "y_corr"):
        assert np.isnan(positions[name]).all()


@pytest.mark.parametrize("wrong", [[[1, 2]], [[1], ["a"]], [1, 2], {"x": 1}, [[1], []]])
def test_other_values_are_no_polynomials(wrong: Any) -> None:
    one = with_positions(position_polynomials=wrong)
    with pytest.raises(ConfigurationError, match="position_polynomials of run 000007 are not two"):
        light_of((0, 0.1, 0.1, 0.1, 0.1), one=one)["peak_positions"]


def test_raw_records_are_those_of_the_tpc() -> None:
    made = made_of(pulse(1000, 1, square()), pulse(1000, 5, square()), pulse(9000, 0, square()))
    assert made["raw_records"]["channel"].tolist() == [1, 1, 0, 0]
    assert made["raw_records"].dtype == made["raw_records_v1730"].dtype
