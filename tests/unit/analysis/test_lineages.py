"""Two lineages of a run beside each other: which one analysts get, and how that is changed."""

import json
import os
import shutil

import numpy as np
import pytest
import strax

from xamsflow.analysis.quantities import make
from xamsflow.analysis.quantities.backfill import backfill
from xamsflow.analysis.site import Site
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.data.context import plugins
from xamsflow.state import layout, lineages, strax_folder

RUN = "006800"
BY = "ann"
EXTRA = 0.25
"""What the earlier version added to the areas of its events' S2, in PE."""


def make_earlier(site: Site) -> None:
    """Make the run's events with an earlier version of a plugin, and keep them in force."""
    st = site.context(site.processed, lineage="new")
    present = plugins(site.detector)
    (basics,) = (one for one in present if one.provides == "event_basics")

    class EventBasics(basics):
        __version__ = "0.0.1"

        def compute(self, *args, **kwargs):
            events = super().compute(*args, **kwargs)
            events["s2_area"] += EXTRA
            return events

    st.register(EventBasics)
    st.make(RUN, "event_info", progress_bar=False)
    earlier = {name: st.key_for(RUN, name).lineage_hash for name in st.tree}
    kept = lineages.Kept(
        RUN,
        {
            name: one
            for name, one in earlier.items()
            if lineages.is_stored(lineages.folder(site.processed, RUN, name, one))
        },
        accepted=False,
        by=BY,
        time="2026-01-01T00:00:00+00:00",
    )
    lineages._write(site.processed, kept)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def remade(changeable):
    """The site with a run that has earlier data, which are kept."""
    make_earlier(changeable)
    return changeable


def areas(site, **options):
    return site.load("event_info", RUN, columns="s2_area", **options)["s2_area"].to_numpy()


def test_the_earlier_lineage_is_in_force_until_the_new_one_is_accepted(remade):
    new = areas(remade, lineage="new")
    old = new + np.float32(EXTRA)
    before = files(remade.processed)
    np.testing.assert_array_equal(areas(remade), old)
    lineages.accept(remade.processed, RUN, BY)
    np.testing.assert_array_equal(areas(remade), new)
    np.testing.assert_array_equal(areas(remade, lineage="old"), old)
    lineages.back(remade.processed, RUN, BY)
    np.testing.assert_array_equal(areas(remade), old)
    record = layout.lineage_file(remade.processed, RUN)
    after = files(remade.processed)
    assert {path for path in after if after[path] != before.get(path)} <= {record}
    assert before.keys() == after.keys()


def test_the_context_has_the_lineage_in_force(remade):
    expected = areas(remade)
    for which, hashes in ((None, remade.context()), ("new", remade.context(lineage="new"))):
        found = hashes.get_array(RUN, "event_info", progress_bar=False)["s2_area"]
        assert (found == expected).all() == (which is None)
    kept = lineages.read(remade.processed, RUN).earlier
    st = remade.context()
    for data_type, lineage_hash in kept.items():
        assert st.key_for(RUN, data_type).lineage_hash == lineage_hash
    derived = st.new_context(config={}).new_context()
    hashes = {one.key_for(RUN, "event_info").lineage_hash for one in (st, derived)}
    assert hashes == {kept["event_info"]}
    # Another run has no record.
    new = remade.context(lineage="new")
    hashes = {one.key_for("007200", "event_info").lineage_hash for one in (st, new)}
    assert len(hashes) == 1


def test_what_is_made_from_earlier_data_has_their_lineage(remade, tmp_path):
    class Doubled(strax.Plugin):
        depends_on = "event_basics"
        provides = "doubled"
        data_kind = "events"
        dtype = (*strax.time_fields, (("twice the area of S2", "area"), np.float32))

        def compute(self, events):
            return {
                "time": events["time"],
                "endtime": events["endtime"],
                "area": 2 * events["s2_area"],
            }

    st = remade.context(tmp_path / "own")
    st.register(Doubled)
    made = st.get_array(RUN, "doubled", progress_bar=False)
    np.testing.assert_array_equal(made["area"], 2 * areas(remade))
    lineage = st.get_metadata(RUN, "doubled")["lineage"]
    assert lineage["event_basics"][1] == "0.0.1"
    lineages.accept(remade.processed, RUN, BY)
    made = st.get_array(RUN, "doubled", progress_bar=False)
    np.testing.assert_array_equal(made["area"], 2 * areas(remade))


def test_a_superrun_joins_the_data_in_force_and_says_so(remade):
    def joined(site):
        st = site.context()
        st.define_run("_joined", [RUN, "007200"])
        key = st.key_for("_joined", "event_info")
        found = st.get_array("_joined", "event_info", progress_bar=False)["s2_area"]
        parts = site.load("event_info", [RUN, "007200"])["s2_area"]
        np.testing.assert_array_equal(found, parts)
        return key.lineage_hash

    earlier = joined(remade)
    lineages.accept(remade.processed, RUN, BY)
    new = joined(remade)
    lineages.back(remade.processed, RUN, BY)
    assert joined(remade) == earlier != new


def test_earlier_data_that_are_gone_are_not_made_by_the_present_code(remade, tmp_path):
    earlier = lineages.read(remade.processed, RUN).earlier
    for name in ("event_basics", "raw_records_v1730"):
        folder = lineages.folder(remade.processed, RUN, name, earlier[name])
        shutil.move(folder, tmp_path)
    assert len(areas(remade)), "what is still there is loaded"
    with pytest.raises(BadDataError, match=r"event_basics-\w+, which analysts should get, is gone"):
        remade.context().get_array(RUN, "event_basics", progress_bar=False)
    with pytest.raises(ConfigurationError, match=r"are gone.*`xamsflow lineage 6800 --accept`"):
        remade.load("event_basics", RUN)
    assert len(remade.load("event_basics", RUN, lineage="new"))


def test_fields_that_not_all_lineages_have(remade):
    earlier = lineages.read(remade.processed, RUN).earlier
    folder = lineages.folder(remade.processed, RUN, "event_info", earlier["event_info"])
    file = strax_folder.metadata_file(folder)
    metadata = json.loads(file.read_text())
    metadata["dtype"] = metadata["dtype"].replace("'cs1'", "'corrected_s1'")
    file.unlink()  # it is linked to that of another test
    file.write_text(json.dumps(metadata))
    both = remade.load("event_info", [RUN, "007200"])
    assert set(both["run_id"]) == {RUN, "007200"}
    assert "cs2" in both and "cs1" not in both
    assert "corrected_s1" in remade.load("event_info", RUN)
    assert "cs1" in remade.load("event_info", [RUN, "007200"], lineage="new")
    with pytest.raises(ConfigurationError, match="no field 'cs1'"):
        remade.load("event_info", [RUN, "007200"], columns="cs1")


def test_quantities_are_those_of_the_data_in_force(remade, monkeypatch):
    monkeypatch.chdir(remade.directory)
    receipt = layout.data_type_receipt(RUN, "event_info")
    assert make.is_new(RUN, remade.processed)
    run = remade.run(RUN)
    assert (run.rows("event_info", "s2_area")["s2_area"] == areas(remade)).all()
    layout.quantities(RUN).touch()
    newest = max(make.inputs(RUN, remade.processed).values())
    os.utime(layout.quantities(RUN), ns=(newest, newest))
    try:
        assert not make.is_new(RUN, remade.processed)
        lineages.accept(remade.processed, RUN, BY)
        assert make.is_new(RUN, remade.processed)
    finally:
        layout.quantities(RUN).unlink()
    assert receipt.exists()


def test_a_bad_record_is_named(remade, monkeypatch):
    with pytest.raises(ConfigurationError, match="lineage is 'newest'"):
        remade.load("event_info", RUN, lineage="newest")
    record = layout.lineage_file(remade.processed, RUN)
    for content in (
        "{",
        "{}",
        '{"version": 1}',
        json.dumps(json.loads(record.read_text()) | {"earlier": {"events": "../x"}}),
    ):
        record.write_text(content)
        with pytest.raises(BadDataError, match=r"006800\.json") as error:
            remade.load("event_info", RUN)
        assert "\n" not in str(error.value)
        assert "move it away, and the current settings apply" in str(error.value)
    monkeypatch.chdir(remade.directory)
    for only_new in (True, False):
        ((run, problem),) = backfill(remade, [RUN], only_new=only_new)
        assert run == RUN
        assert "006800.json" in str(problem)
