import ast
import re
from dataclasses import replace

import pytest

from xamsflow.rundb import changes, run_document
from xamsflow.rundb.runs import ClaimedRun, PendingRun, RunSummary
from xamsflow.settings import config
from xamsflow.state import layout

PACKAGE = layout.REPOSITORY / "src" / "xamsflow"


def texts(path):
    """Yield each text of a module that is not a docstring."""
    tree = ast.parse(path.read_text())
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in statements:
            yield str(node.value)


def test_only_the_room_of_the_run_database_knows_the_names_of_our_fields():
    """Receipts contain `processing_status`, like the run document: that is a separate contract."""
    ours = re.compile(r"processing|processing\.[a-z_.]+|processing_status|processing_failed")
    rooms = [path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "rundb"]
    known = {
        (str(path.relative_to(PACKAGE)), text)
        for room in rooms
        for path in room.rglob("*.py")
        for text in texts(path)
        if ours.fullmatch(text)
    }
    assert known <= {
        ("run/publish.py", "processing_status"),  # the key of the receipt rundoc.json
        ("operate/doctor/this_host.py", "processing"),  # a folder
    }


@pytest.mark.parametrize("broken", ["x", 3, None, [], {"history": "x", "targets": 3, "owner": []}])
def test_what_is_odd_counts_as_missing(broken):
    odd = {"number": 3, "processing": broken, "data": broken, "tags": broken, "mode": broken}
    assert run_document.history(odd) == []
    assert run_document.data_entries(odd) == []
    assert run_document.listed_tag_names(odd) == ()
    assert run_document.owner(odd) is None
    assert run_document.targets(odd) is None
    assert run_document.attempt(odd) == 0
    assert changes.tries_by_class(odd) == {}


def test_no_field_is_asked_for_twice():
    """MongoDB refuses a projection that names a field and a part of it."""
    for names in (PendingRun.FIELDS, ClaimedRun.FIELDS, RunSummary.FIELDS, run_document.COMPARED):
        assert len(set(names)) == len(names)
        assert not [one for one in names for other in names if other.startswith(f"{one}.")]


@pytest.mark.parametrize("names", [None, "noise", [["noise"]], [{}], [1]])
def test_a_note_that_nobody_of_us_wrote_is_left_out(names):
    good = {"text": "cable", "by": "anna", "time": "2026-01-02", "names": ["noise"]}
    document = {"processing": {"health": {"known": [good, good | {"names": names}]}}}
    assert run_document.health_notes(document) == [good]


@pytest.mark.parametrize(
    ("mark", "targets"),
    [
        ({}, ("led_calibration",)),
        ({"name": "x"}, ("led_calibration",)),
        ({"name": "x", "targets": ["peaks"]}, ("peaks",)),
        ({"name": "x", "targets": ["peaks"], "left": True}, ("led_calibration",)),
    ],
)
def test_a_campaign_may_want_other_targets(mark, targets):
    document = {"mode": "led", "processing": {"campaign": mark}}
    by_mode = (config.TargetsByMode(("led",), ("led_calibration",)),)
    settings = replace(config.load(), targets_by_mode=by_mode)
    assert run_document.wanted_targets(document, settings) == targets
