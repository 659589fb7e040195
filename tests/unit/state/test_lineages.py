"""Which lineage of a run is in force: kept, accepted and put back, by the verb and by functions."""

import json
import os
import shutil
import stat

import pytest

from xamsflow import cli
from xamsflow.analysis.comparison.pair import choose
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.operate.lineages import accept, release_gone
from xamsflow.settings import config
from xamsflow.state import compared, layout, lineages, lock, receipts
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
    assert lineages.kept_in_use(processed) == {RUN: OLD}
    publish(processed, NEW, 2)
    assert lineages.keep(processed, RUN, "bob").by == "ann", "what is in force stays"
    compare()
    assert accept(processed, RUN, "cy").accepted
    assert not lineages.hashes(processed, RUN)
    layout.lineage_file(processed, "000933").write_text("{")
    assert not lineages.kept_in_use(processed)
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
    with pytest.raises(ConfigurationError, match="has not been reprocessed"):
        accept(processed, RUN, "ann")
    publish(processed, NEW, 2)
    with pytest.raises(ConfigurationError, match="run 000932 has not been compared: first see"):
        accept(processed, RUN, "ann")
    compare(old, new)
    with pytest.raises(ConfigurationError, match="has not been compared since it was reprocessed"):
        accept(processed, RUN, "ann")
    compare(*({"event_info": hashes["event_info"]} for hashes in (OLD, NEW)))
    assert accept(processed, RUN, "ann").accepted


def test_all_data_that_were_remade_are_compared_before_one_accepts(processed):
    both = OLD | {"peaks": "eeeeeeeeee"}
    publish(processed, both, 2)
    lineages.keep(processed, RUN, "ann")
    publish(processed, both | {"peaks": "ffffffffff"}, 3)
    compare(both, both | {"peaks": "ffffffffff"})
    publish(processed, NEW | {"peaks": "ffffffffff"}, 4)
    with pytest.raises(
        ConfigurationError, match="event_info of run 000932 has not been compared since"
    ):
        accept(processed, RUN, "ann")
    compare(both, NEW | {"peaks": "ffffffffff"})
    assert accept(processed, RUN, "ann").accepted


def test_earlier_data_that_are_gone_are_no_dead_end(processed):
    def lose():
        for data_type, one in OLD.items():
            shutil.rmtree(lineages.folder(processed, RUN, data_type, one))

    lineages.keep(processed, RUN, "ann")
    publish(processed, NEW | {"raw_records_v1730": "dddddddddd"}, 2)
    with pytest.raises(ConfigurationError, match="has not been compared"):
        accept(processed, RUN, "ann")
    release_gone(processed, RUN, "ann", "")
    assert lineages.hashes(processed, RUN) == OLD, "they are still there"
    lose()
    with pytest.raises(ConfigurationError, match=r"are gone.*xamsflow lineage 932 --accept"):
        choose(processed, RUN)
    assert accept(processed, RUN, "ann").accepted
    with pytest.raises(ConfigurationError, match="the earlier data of run 000932 are gone"):
        lineages.back(processed, RUN, "ann")


def test_what_is_gone_is_not_kept_any_longer(processed):
    lineages.keep(processed, RUN, "ann")
    new = {"event_info": "cccccccccc"}
    publish(processed, new, 2)
    for data_type, one in OLD.items():
        shutil.rmtree(lineages.folder(processed, RUN, data_type, one))
    assert lineages.keep(processed, RUN, "bob").earlier == new
    shutil.rmtree(lineages.folder(processed, RUN, *new.popitem()))
    release_gone(processed, RUN, "cy", "set aside")
    assert lineages.read(processed, RUN).accepted
    layout.lineage_file(processed, RUN).write_text("{")
    release_gone(processed, RUN, "cy", "set aside")


def test_people_who_share_the_data_share_the_records(processed):
    def mode(path):
        return oct(stat.S_IMODE(path.stat().st_mode))

    record = layout.lineage_file(processed, RUN)
    for umask, given, folder, file in (
        (0o077, 0o2775, 0o2775, 0o664),
        (0o022, 0o770, 0o770, 0o660),
        (0o000, 0o777, 0o775, 0o664),
        (0o000, 0o700, 0o700, 0o600),
    ):
        processed.chmod(given)
        before = os.umask(umask)
        try:
            lineages.keep(processed, RUN, "ann")
            with lock.exclusive(layout.lock_file(processed, RUN)):
                pass
        finally:
            os.umask(before)
        assert mode(record) == oct(file)
        locks = layout.lock_file(processed, RUN).parent
        assert mode(record.parent) == mode(locks) == oct(folder)
        shutil.rmtree(record.parent)
        shutil.rmtree(locks)


def test_what_is_not_stored_is_not_kept(processed):
    with pytest.raises(ConfigurationError, match="run 000933 has no data to keep"):
        lineages.keep(processed, "000933", "ann")
    with pytest.raises(ConfigurationError, match="no earlier lineage of run 000932 is kept"):
        lineages.back(processed, RUN, "ann")
    receipts.write(layout.data_type_receipt(RUN, "peaks"), {"stored": [1], "time": ""})
    with pytest.raises(BadDataError, match="does not list what is stored"):
        lineages.keep(processed, RUN, "ann")


@pytest.mark.parametrize(
    "changed", [{"version": None}, {"version": 2}, {"new": []}, {"time": 5}, {"report": None}]
)
def test_a_damaged_receipt_of_a_comparison(processed, ask, changed):
    lineages.keep(processed, RUN, "ann")
    compare()
    path = layout.compared(RUN)
    receipts.write(path, receipts.read(path) | changed)
    code, said = ask()
    assert code == 1
    assert "not a comparison receipt" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("changed", [{"by": 5}, {"time": 5}, {"reason": None}, {"accepted": 1}])
def test_a_damaged_record(processed, ask, changed):
    lineages.keep(processed, RUN, "ann")
    path = layout.lineage_file(processed, RUN)
    receipts.write(path, receipts.read(path) | changed)
    code, said = ask()
    assert code == 1
    assert "restore it from a backup; or move it away, and the current settings" in said
    assert said.count("\n") == 1
    path.write_text("{")
    assert "restore it from a backup" in ask()[1]


def test_the_verb(processed, ask):
    assert ask() == (
        0,
        "No earlier data are kept; the current settings apply to all runs.\n",
    )
    code, said = ask("932", "--keep")
    assert code == 1
    assert "confirmation requires a terminal" in said
    code, said = ask("932", "--keep", "--yes", "--reason", "new gains")
    assert code == 0
    assert "earlier" in said
    assert "new gains" in said
    publish(processed, NEW, 2)
    code, said = ask("932", "--accept", "--yes")
    assert (code, said) == (
        1,
        "xamsflow: run 000932 has not been compared: first see what changed: "
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
        "xamsflow: no runs were given: give run numbers or ranges such as 932-940\n",
    )
    code, said = ask("931-933", "--back", "--yes")
    assert code == 1
    assert "none of the runs 931-933 is among those with earlier data" in said
    lineages.keep(processed, RUN, "ann")
    layout.lineage_file(processed, RUN).write_text("[]")
    code, said = ask()
    assert code == 1
    assert said.count("\n") == 1
    assert "000932.json" in said
