import numpy as np
import pytest

from xamsflow.state import health, layout, quantities, quantity_table
from xamsflow.state.health import Deviation, Health, Note, Verdict
from xamsflow.state.quantities import Quantities, Quantity


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(run: str, mode: str = "background", **values: Quantity) -> None:
    start = int(run) * 10**9
    quantities.write(Quantities(run, "xams", mode, start, start + 5, "now", {}, values))


def test_there_may_be_none():
    table = quantity_table.read()
    assert (table.run_ids, table.names, table.values.shape) == ([], [], (0, 0))


@pytest.mark.parametrize("kept", [False, True], ids=["first", "from the kept file"])
def test_a_row_for_each_run_and_a_column_for_each_quantity(kept):
    rate = Quantity(3.0, 0.5, "Hz", "events per live time")
    write("000002", "led", s1_rate=rate, note=Quantity("by eye", by="quantities.py"))
    write("000001", s1_rate=Quantity(None, problem="no events"), noise_ch3=Quantity(4, channel=3))
    if kept:
        quantity_table.read()
    table = quantity_table.read()
    assert table.run_ids == ["000001", "000002"]
    assert table.modes == ["background", "led"]
    assert table.detectors == ["xams", "xams"]
    assert table.starts.tolist() == [10**9, 2 * 10**9]
    assert table.ends.tolist() == [10**9 + 5, 2 * 10**9 + 5]
    assert table.names == ["s1_rate", "note", "noise_ch3"]
    nan = np.nan
    np.testing.assert_array_equal(table.values, [[nan, nan, 4], [3, nan, nan]])
    np.testing.assert_array_equal(table.errors, [[nan, nan, nan], [0.5, nan, nan]])
    assert table.texts == {"000002": {"note": "by eye"}}
    assert table.problems == {"000001": {"s1_rate": "no events"}}
    assert table.about["noise_ch3"]["channel"] == 3
    assert table.about["note"]["by"] == "quantities.py"


def test_only_files_that_changed_are_read(monkeypatch):
    for run in ("000001", "000002", "000003"):
        write(run, a=Quantity(1.0), b=Quantity(2.0))
    quantity_table.read()
    write("000002", a=Quantity(10.0), c=Quantity(30.0))
    write("000004", c=Quantity(40.0))
    layout.quantities("000001").unlink()
    seen = []
    really = quantities.read
    monkeypatch.setattr(quantities, "read", lambda run: seen.append(run) or really(run))
    table = quantity_table.read()
    assert seen == ["000002", "000004"]
    assert table.run_ids == ["000002", "000003", "000004"]
    nan = np.nan
    assert table.names == ["c", "a", "b"]
    np.testing.assert_array_equal(table.values, [[30, 10, nan], [nan, 1, 2], [40, nan, nan]])
    quantity_table.read()
    assert len(seen) == 2


def test_the_newest_run_says_what_a_quantity_is():
    write("000001", a=Quantity(1.0, unit="s"))
    write("000002", a=Quantity(1.0, unit="ms"))
    quantity_table.read()
    write("000001", a=Quantity(2.0, unit="s"))
    assert quantity_table.read().about["a"]["unit"] == "ms"
    write("000003", a=Quantity(2.0, unit="us"))
    assert quantity_table.read().about["a"]["unit"] == "us"


def test_the_newest_run_that_has_a_quantity_says_what_it_is():
    """Other runs do not matter, neither those that are read again nor those that are not."""
    write("000001", a=Quantity(1.0, unit="s"), t=Quantity("x", unit="s"), gone=Quantity(1.0))
    write("000002", a=Quantity(None, unit="ms", problem="no data"), t=Quantity("y", unit="ms"))
    write("000003", b=Quantity(1.0))
    quantity_table.read()
    write("000001", a=Quantity(2.0, unit="h"), t=Quantity("z", unit="h"))
    write("000004", b=Quantity(1.0))
    table = quantity_table.read()
    assert {name: about["unit"] for name, about in table.about.items()} == {
        "a": "ms",
        "t": "ms",
        "b": "",
    }
    write("000002", a=Quantity(3.0, unit="us"), t=Quantity("y", unit="us"))
    table = quantity_table.read()
    assert (table.about["a"]["unit"], table.about["t"]["unit"]) == ("us", "us")


def test_verdicts_are_read_when_they_come_or_change():
    write("000001", a=Quantity(1.0))
    write("000002", a=Quantity(1.0))
    assert quantity_table.read().verdicts == ["", ""]
    health.write(judged("000001", Verdict.USUAL))
    odd = Deviation("a", 1.0, 2.0, 0.1, -10.0, "000002", 1.0)
    health.write(judged("000002", Verdict.ODD, odd=(odd,)))
    for _ in range(2):
        table = quantity_table.read()
        assert table.verdicts == ["usual", "odd"]
        assert list(table.odd) == ["000002"]
        assert table.odd["000002"][0]["deviation"] == -10.0
        assert table.odd["000002"][0]["known"] == ""
    note = Note("HV off", "me", "now", ("a",))
    health.write(judged("000002", Verdict.ODD, odd=(odd,), known=(note,)))
    assert quantity_table.read().odd["000002"][0]["known"] == "HV off"
    layout.health("000002").write_text("[")
    table = quantity_table.read()
    assert (table.verdicts, table.odd) == (["usual", ""], {})


def judged(run: str, verdict: Verdict, **about) -> Health:
    told = {"odd": (), "known": (), "reference": "", "references": (), "limit": 4.0} | about
    told |= {"run_id": run, "detector": "xams", "mode": "m", "start": 0, "end": 1}
    return Health(verdict=verdict, n_judged=1, time="now", **told)


def test_what_is_not_a_number_says_so():
    write("000001", inf=Quantity(float("inf")), odd=Quantity([1]))
    table = quantity_table.read()
    assert np.isnan(table.values).all()
    assert table.problems == {"000001": {"inf": "not a number", "odd": "not a number"}}


def test_a_damaged_file_is_named_and_hides_no_other():
    write("000001", a=Quantity(1.0))
    write("000002", a=Quantity(1.0))
    quantity_table.read()
    layout.quantities("000002").write_text("[")
    for _ in range(2):
        table = quantity_table.read()
        assert table.run_ids == ["000001"]
        assert "is not a receipt" in table.damaged["000002"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}"])
def test_a_kept_file_that_cannot_be_used_is_made_again(content):
    write("000001", a=Quantity(1.0))
    layout.QUANTITY_TABLE.parent.mkdir()
    layout.QUANTITY_TABLE.write_bytes(content)
    assert quantity_table.read().run_ids == ["000001"]
    assert layout.QUANTITY_TABLE.stat().st_size > 100


def test_a_table_that_cannot_be_kept_is_read_all_the_same():
    write("000001", a=Quantity(1.0))
    layout.QUANTITY_TABLE.parent.write_text("in the way")
    assert quantity_table.read().run_ids == ["000001"]
