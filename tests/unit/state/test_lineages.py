"""Which lineage of a run is in force: kept, accepted and put back, by the verb and by functions."""

import json

import pytest

from xamsflow import cli
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.operate.lineages import accept
from xamsflow.settings import config
from xamsflow.state import compared, layout, lineages, receipts
from xamsflow.state.compared import Compared

RUN = "000932"
OLD = {"raw_records_v1730": "aaaaaaaaaa", "event_info": "bbbbbbbbbb"}
NEW = OLD | {"event_info": "cccccccccc"}


def publish(processed, hashes, time, run=RUN):
    """Store empty data with these lineages, and write the receipt that names them."""
    for data_type, one in hashes.items():
        folder = lineages.folder(processed, run, data_type, one)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{data_type}-{one}-metadata.json").write_text("{}")
    stored = {name: {"lineage_hash": one} for name, one in hashes.items()}
    path = layout.data_type_receipt(run, "event_info")
    receipts.write(path, {"stored": stored, "time": f"2026-01-0{time}T00:00:00+00:00"})


@pytest.fixture
def processed(tmp_path, monkeypatch):
    """A folder of strax data, and a working directory with the receipts of a run."""
    monkeypatch.delenv(config.SITE, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text("storage:\n  processed: processed\n")
    publish(tmp_path / "processed", OLD, 1)
    return tmp_path / "processed"


@pytest.fixture
def ask(processed, capsys):
    def ask(*arguments):
        code = cli.main(["lineage", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return ask


def compare(old=OLD, new=NEW):
    compared.write(Compared(RUN, old, new, "results/comparison", "2026-01-03T00:00:00+00:00"))


def test_one_lineage_is_in_force_at_a_time(processed):
    assert not lineages.hashes(processed, RUN)
    assert lineages.keep(processed, RUN, "ann", "new gains").earlier == OLD
    assert lineages.hashes(processed, RUN) == OLD
    publish(processed, NEW, 2)
    assert lineages.keep(processed, RUN, "bob").by == "ann", "what is in force stays"
    compare()
    assert accept(processed, RUN, "cy").accepted
    assert not lineages.hashes(processed, RUN)
    assert lineages.hashes(processed, RUN, "old") == OLD
    assert lineages.back(processed, RUN, "dee", "S2s too wide").reason == "S2s too wide"
    assert lineages.hashes(processed, RUN) == OLD
    assert not lineages.hashes(processed, RUN, "new")
    accept(processed, RUN, "cy")
    assert lineages.keep(processed, RUN, "eve").earlier == NEW, "the next campaign"


def test_what_is_in_force_holds_in_another_process_at_once(processed):
    lineages.keep(processed, RUN, "ann")
    path = layout.lineage_file(processed, RUN)
    changed = json.loads(path.read_text()) | {"accepted": True}
    receipts.write(path, changed)
    assert not lineages.hashes(processed, RUN)


@pytest.mark.parametrize(
    ("old", "new"),
    [(OLD, OLD), (NEW, NEW), ({}, {}), (OLD, {"event_info": "dddddddddd"})],
)
def test_only_a_comparison_of_these_lineages_lets_one_accept(processed, old, new):
    lineages.keep(processed, RUN, "ann")
    with pytest.raises(ConfigurationError, match="has not been remade"):
        accept(processed, RUN, "ann")
    publish(processed, NEW, 2)
    with pytest.raises(ConfigurationError, match="run 000932 was not compared: look"):
        accept(processed, RUN, "ann")
    compare(old, new)
    with pytest.raises(ConfigurationError, match="was not compared since it was remade"):
        accept(processed, RUN, "ann")
    compare(*({"event_info": hashes["event_info"]} for hashes in (OLD, NEW)))
    assert accept(processed, RUN, "ann").accepted


def test_what_is_not_stored_is_not_kept(processed):
    with pytest.raises(ConfigurationError, match="run 000933: nothing that the receipts"):
        lineages.keep(processed, "000933", "ann")
    with pytest.raises(ConfigurationError, match="run 000932 has no earlier lineage"):
        lineages.back(processed, RUN, "ann")
    receipts.write(layout.data_type_receipt(RUN, "peaks"), {"stored": [1], "time": ""})
    with pytest.raises(BadDataError, match="does not say what is stored"):
        lineages.keep(processed, RUN, "ann")


@pytest.mark.parametrize("content", [{}, {"version": 1}, {"version": 2, "run_id": RUN}])
def test_a_damaged_receipt_of_a_comparison(processed, content):
    receipts.write(layout.compared(RUN), content)
    with pytest.raises(BadDataError, match="not the receipt of a comparison"):
        compared.read(RUN)


def test_the_verb(processed, ask):
    assert ask() == (
        0,
        "No run has earlier data that are kept; the current settings are in force.\n",
    )
    code, said = ask("932", "--keep")
    assert code == 1
    assert "no terminal for confirmation" in said
    code, said = ask("932", "--keep", "--yes", "--reason", "new gains")
    assert code == 0
    assert "earlier" in said
    assert "new gains" in said
    publish(processed, NEW, 2)
    code, said = ask("932", "--accept", "--yes")
    assert (code, said) == (
        1,
        "xamsflow: run 000932 was not compared: look at what changed first: "
        "`xamsflow compare 932`\n",
    )
    compare()
    assert ask("930-940", "--accept", "--yes")[0] == 0
    (about,) = json.loads(ask("--json")[1])
    assert (about["in_force"], about["earlier"]) == ("new", OLD)
    assert about["compared"]["report"] == "results/comparison"
    assert ask("932", "--back", "--yes")[0] == 0
    assert json.loads(ask("932", "--json")[1])[0]["in_force"] == "earlier"


def test_the_verb_names_what_is_wrong(processed, ask):
    assert ask("--accept", "--yes") == (
        1,
        "xamsflow: which runs?: give run numbers or ranges such as 932-940\n",
    )
    code, said = ask("931-933", "--back", "--yes")
    assert code == 1
    assert "no runs 931-933 are with earlier data that are kept" in said
    lineages.keep(processed, RUN, "ann")
    layout.lineage_file(processed, RUN).write_text("[]")
    code, said = ask()
    assert code == 1
    assert said.count("\n") == 1
    assert "000932.json" in said
