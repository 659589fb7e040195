import pytest

from xamsflow.redax import plausibility, rundoc
from xamsflow.redax.findings import Findings
from xamsflow.redax.registers import pre_triggers
from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun
from xamsflow.simulate.document import document_at_start


def register(reg, val, board=77):
    return {"reg": reg, "val": val, "board": board, "comment": ""}


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ([register("8038", "C")], {77: 48}),
        ([register("8038", "c"), register("1138", "4")], {77: 16}),
        ([register("1138", "4"), register("8038", "C")], {77: 48}),
        ([register("8038", "5", -1)], {77: 20, 78: 20}),
        ([register("8038", "5", "77"), register("8038", "A", 78)], {77: 20, 78: 40}),
        ([register("8020", "32"), register("1080", "110000")], {}),
        ([register("8038", "a lot"), "odd", {"reg": None}, register(8038, 8)], {77: 32}),
        (None, {}),
        ("8038", {}),
    ],
)
def test_samples_before_the_trigger(registers, expected):
    assert pre_triggers(registers, [77, 78] if 78 in expected else [77]) == expected


def findings_of(pre_trigger, seen, name="xamsl"):
    one = detector.load(name)
    run = SimulatedRun(7, one, pre_trigger=pre_trigger)
    document = document_at_start(run, detector.layout.REPOSITORY)
    found = Findings("000007")
    plausibility.check(rundoc.parse(document), one, seen, 0, found)
    return [(one["rule"], one["severity"]) for one in found.listed]


def test_the_register_is_compared_with_the_detector_file():
    assert findings_of(40, [0, 1, 2, 3]) == []
    assert findings_of(20, [0, 1]) == [("pre_trigger", "note")]
    assert findings_of(20, [0, 1, 2, 3]) == [("pre_trigger", "note")] * 2
    assert findings_of(8, [0, 1]) == [("pre_trigger", "note")]  # a V1730 measures its baseline
    assert findings_of(8, [2]) == [("pre_trigger", "degraded")]
    assert findings_of(8, []) == []
