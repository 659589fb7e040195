"""Peak classification and positions."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strax

from hand_made import Made, made_of, pulse, square, xams
from xamsflow.data.context import plugins
from xamsflow.data.plugins.peak_classification import S1, S2, UNKNOWN
from xamsflow.data.plugins.peaks import peak_basics
from xamsflow.settings import detector


def basics(*peaks: tuple[float, float]) -> npt.NDArray[Any]:
    """Return peak basics with the given areas and widths."""
    one = xams()
    assert one.tpc is not None
    result: npt.NDArray[Any] = np.zeros(len(peaks), list(peak_basics(one.tpc.signals).dtype))
    result["time"] = 1000 * np.arange(len(peaks))
    result["endtime"] = result["time"] + 500
    result["area"], result["range_50p_area"] = np.transpose(peaks)
    return result


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
    made = Made({"peak_basics": basics(*cases)}, [0, 100_000], kinds={"peak_basics": "peaks"})
    result = made["peak_classification"]
    assert result["type"].tolist() == list(cases.values())
    assert result["time"].tolist() == [1000 * i for i in range(len(cases))]
    assert (result["endtime"] - result["time"] == 500).all()


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


def test_without_positions_there_is_no_such_data_type() -> None:
    provided = [
        name
        for plugin in plugins(detector.load("xams"))
        for name in strax.to_str_tuple(plugin.provides)
    ]
    assert "peak_positions" not in provided
    assert "event_info" in provided
