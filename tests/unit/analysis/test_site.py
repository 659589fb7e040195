"""The site of analysts: runs, load, context; and what it says to bad input."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import strax

import xamsflow
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.data.context import plugins
from xamsflow.state import layout

BOTH = ["006800", "007200"]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_import_loads_nothing_heavy():
    program = (
        "import sys, xamsflow; "
        "print({'numpy', 'pandas', 'strax', 'pymongo', 'yaml', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


def test_runs_on_disk(shared_site):
    runs = shared_site.runs()
    assert list(runs["run_id"]) == ["007200", "006801", "006800"]
    row = runs.set_index("run_id").loc["006800"]
    assert row["number"] == 6800
    assert row["mode"] == "bg_Cs137"
    assert row["source"] == "Cs137"
    assert row["tags"] == ("good",)
    assert row["start"] == pd.Timestamp("2026-01-05 12:00:00.797", tz="UTC")
    assert row["length_s"] == pytest.approx(1.2)
    assert row["status"] == "done"
    assert row["quality"] == "clean"
    assert runs.set_index("run_id").loc["007200", "comments"] == ("HV tripped",)


@pytest.mark.parametrize(
    ("runs", "which", "found"),
    [
        ("6800-6801", {}, ["006801", "006800"]),
        ("6800, 7200", {}, ["007200", "006800"]),
        (7200, {}, ["007200"]),
        ([6800, "7200-"], {"status": "done"}, ["007200", "006800"]),
        (np.array([6800, 7200]), {"mode": "*Cs137*"}, ["006800"]),
        (pd.DataFrame({"run_id": ["007200"]}), {}, ["007200"]),
        (None, {"mode": ["bg", "led"], "quality": "clean"}, ["007200"]),
        (None, {"tags": "*o*"}, ["006800"]),
        (None, {"exclude_tags": "_bad", "status": "done"}, ["006800"]),
        (None, {"source": "Cs*"}, ["006800"]),
        ("8000-8010", {}, []),
        ([], {}, []),
    ],
)
def test_which_runs(shared_site, runs, which, found):
    assert list(shared_site.runs(runs, **which)["run_id"]) == found


def test_a_word_that_no_run_can_have(shared_site):
    with pytest.raises(ConfigurationError, match=r"no status is 'dne' .did you mean done"):
        shared_site.runs(status=["failed", "dne"])
    with pytest.raises(ConfigurationError, match="allowed: clean, degraded"):
        shared_site.load("event_info", quality="good")


def test_runs_of_different_lineages_are_loaded_together(shared_site, place):
    """The gains of the two runs differ, and with them their lineages."""
    folders = list((place / "data" / "processed").glob("*-event_info-*"))
    assert len({folder.name.rpartition("-")[2] for folder in folders}) == 2
    events = shared_site.load("event_info", "6800-7200", status="done")
    assert set(events["run_id"]) == set(BOTH)


@pytest.mark.parametrize(
    ("data_type", "options"),
    [
        ("event_info", {}),
        ("event_info", {"columns": ["time", "cs1", "cs2"], "selection": "s2_area > 1000"}),
        (("peak_positions", "peak_basics"), {"selection": ["type == 2", "area > 100"]}),
        ("peak_basics", {"seconds_range": (0.3, 1.0), "columns": "area"}),
        ("peaks", {"selection": lambda peaks: peaks["n_hits"] > 20}),
    ],
)
def test_load_returns_the_rows_of_the_context(shared_site, data_type, options):
    st = shared_site.context()
    names = {"columns": "keep_columns"}
    expected = st.get_array(
        BOTH,
        data_type,
        progress_bar=False,
        multi_run_progress_bar=False,
        **{names.get(name, name): value for name, value in options.items()},
    )
    found = shared_site.load(data_type, BOTH, **options)
    assert len(found) == len(expected) > 10
    assert list(found.columns) == list(expected.dtype.names)
    for name in found.columns:
        np.testing.assert_array_equal(
            np.stack(found[name]) if expected[name].ndim > 1 else found[name], expected[name]
        )


def test_a_time_range(shared_site):
    peaks = shared_site.load("peak_basics", 6800)
    first, last = int(peaks["time"].iloc[10]), int(peaks["endtime"].iloc[20])
    chosen = shared_site.load("peak_basics", 6800, time_range=(first, last))
    assert len(chosen) == 11
    assert shared_site.load("peak_basics", 6800, time_range=(0, 1)).empty
    assert list(shared_site.load("peak_basics", []).columns) == list(peaks.columns)


@pytest.mark.parametrize(
    ("data_type", "runs", "options", "said"),
    [
        ("event_inf", 6800, {}, "no data type 'event_inf' (did you mean event_info?)"),
        (("events", "peaks"), 6800, {}, "rows of different kinds: events, peaks"),
        ("event_info", "x", {}, "'x' is not a run"),
        ("event_info", 6800.5, {}, "'6800.5' is not a run"),
        ("event_info", "8000-8010", {}, "no run of 8000-8010 exists"),
        ("event_info", None, {"mode": "led*"}, "no run has mode 'led*'"),
        ("event_info", 8000, {}, "has no data of run 008000"),
        ("event_info", "6800-6801", {}, "event_info not stored for 1 of 2 runs (6801)"),
        ("event_info", 6801, {}, "snakemake results/006801/event_info.json "),
        ("event_info", 6800, {"columns": ["cs3"]}, "no field 'cs3' (did you mean cs"),
        ("event_info", 6800, {"selection": "cs3 > 1"}, "no field 'cs3' (did you mean cs"),
        ("event_info", 6800, {"selection": "cs1 >"}, "'cs1 >' cannot be evaluated"),
        ("event_info", 6800, {"selection": "a b"}, "'a b' cannot be evaluated"),
        ("event_info", pd.DataFrame({"run": [1]}), {}, "has no column run_id"),
        ("peaks", 6800, {"time_range": (0, 1), "seconds_range": (0, 1)}, "exclude each other"),
    ],
)
def test_bad_input(shared_site, data_type, runs, options, said):
    with pytest.raises(ConfigurationError) as error:
        shared_site.load(data_type, runs, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_skip_missing(shared_site):
    found = shared_site.load("event_info", "6800-6801", skip_missing=True)
    assert set(found["run_id"]) == {"006800"}


def test_data_of_another_lineage_and_unfinished_data_are_named(changeable):
    (folder,) = changeable.processed.glob("006800-event_info-*")
    other = folder.with_name("006800-event_info-abcdefghij")
    folder.rename(other)
    with pytest.raises(ConfigurationError, match=f"{other.name} was made with other settings"):
        changeable.load("event_info", 6800)
    other.rename(f"{folder}_temp")
    with pytest.raises(ConfigurationError, match=f"{folder.name}_temp is unfinished"):
        changeable.load("event_info", 6800)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "is not complete"),
        (b'{"writing_ended": 1, "dtype": "x"}', "not written by strax"),
    ],
)
def test_damaged_metadata(changeable, content, said):
    (file,) = changeable.processed.glob("006800-events-*/*-metadata.json")
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(BadDataError, match=said) as error:
        changeable.load("events", 6800)
    assert "reconcile --repair" in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 100])
def test_a_damaged_chunk(changeable, content):
    (file,) = changeable.processed.glob("006800-events-*/*-000000")
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(XamsflowError, match=r"run 006800: .*events-.*-000000"):
        changeable.load("events", 6800)


def test_make_what_is_missing(changeable, shared_site):
    for folder in changeable.processed.glob("006800-event_info-*"):
        folder.rename(folder.with_name(".aside"))
    made = changeable.load("event_info", BOTH, make=True)
    pd.testing.assert_frame_equal(made, shared_site.load("event_info", BOTH))
    assert list(changeable.processed.glob("006800-event_info-*"))
    with pytest.raises(ConfigurationError, match="run 006801: neither event_info nor its inputs"):
        changeable.load("event_info", 6801, make=True)


def test_reading_writes_nothing(shared_site, place):
    before = files(place)
    shared_site.runs()
    shared_site.load("event_basics", BOTH)
    st = shared_site.context()
    st.select_runs(available="event_info")
    st.get_array("006800", "event_info", progress_bar=False)
    st.define_run("_joined", BOTH)
    assert files(place) == before


def test_what_the_context_makes_goes_to_a_folder_of_the_analyst(shared_site, place, tmp_path):
    class Big(strax.Plugin):
        depends_on = "event_basics"
        provides = "big_events"
        data_kind = "events"
        dtype = (*strax.time_fields, (("main S2 is big", "is_big"), np.bool_))

        def compute(self, events):
            return {
                "time": events["time"],
                "endtime": events["endtime"],
                "is_big": events["s2_area"] > 1000,
            }

    before = files(place)
    st = shared_site.context(tmp_path / "mine")
    st.register(Big)
    st.make("006800", "big_events")
    assert st.is_stored("006800", "big_events")
    assert [path.name.split("-")[1] for path in (tmp_path / "mine").iterdir()] == ["big_events"]
    st.define_run("_joined", BOTH)
    assert (tmp_path / "mine" / "_joined-metadata.json").is_file()
    assert files(place) == before


@pytest.mark.parametrize("data_type", ["event_info", ("peak_basics", "peak_positions")])
@pytest.mark.parametrize("whose", ["site", "strax"])
def test_a_superrun_has_the_rows_of_its_runs(changeable, data_type, whose):
    """Its runs have different gains, so it has no lineage of its own to compute it by."""
    if whose == "site":
        st = changeable.context()
    else:
        storage = strax.DataDirectory(str(changeable.processed), provide_run_metadata=True)
        st = strax.Context(
            storage=[storage], register=plugins(changeable.detector), use_per_run_defaults=True
        )
    st.check_superrun()
    assert list(st.select_runs(run_mode="bg*", include_tags="bad")["name"]) == ["007200"]
    st.define_run("_joined", BOTH)
    joined = st.get_array("_joined", data_type, progress_bar=False)
    parts = [st.get_array(run, data_type, progress_bar=False) for run in BOTH]
    assert joined.tobytes() == np.concatenate(parts).tobytes()
    assert "_joined" in set(st.select_runs(force_reload=True)["name"])
    assert st.run_metadata("_joined")["mode"]


def test_the_lineage_of_a_superrun_changes_with_the_corrections(shared_site):
    st = shared_site.context()
    st.define_run("_joined", BOTH)
    key = st.key_for("_joined", "peaks")
    assert "SUBRUN" in str(key.lineage)
    assert st.key_for("006800", "peaks").lineage_hash != key.lineage_hash


def test_a_notebook_shows_the_site(shared_site):
    assert "xams" in shared_site._repr_html_()
    assert "xams" in repr(shared_site)
    shown = shared_site.context()._repr_html_()
    assert "event_info" in shown and "in memory" in shown and "processed" in shown


@pytest.mark.parametrize(
    ("run", "data_type", "said"),
    [
        ("006800", "event_basic", "no data type 'event_basic' .did you mean event_basics"),
        ("006800", ("event_basics", "event_infos"), "no data type 'event_infos'"),
        ("006801", "event_basics", "run 006801: neither event_basics nor .*xamsflow pend 006801"),
        ("6800", "event_basics", "'6800' is not a run.*006800"),
    ],
)
def test_a_wrong_request_to_the_context(shared_site, run, data_type, said):
    with pytest.raises(ConfigurationError, match=said):
        shared_site.context().get_df(run, data_type, progress_bar=False)


def test_a_directory_is_named_without_detours(place):
    site = xamsflow.open(directory=place / "results" / "..", run_database=False)
    assert site.directory == place


def test_a_wrong_directory(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        xamsflow.open(directory=tmp_path / "nowhere")


def test_the_how_to_guide_works_as_printed(changeable, monkeypatch):
    """Its runs are those of the demo; here there are others."""
    monkeypatch.chdir(changeable.directory)
    page = (layout.REPOSITORY / "docs" / "how-to" / "analysis.md").read_text()
    program = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    for there, here in (
        ('open("demo/demo.yaml", directory="demo")', "open()"),
        ("xamsflow.open()", "xamsflow.open(run_database=False)"),
        ("2241-2243", "6800, 7200"),
        ("002241", "006800"),
        ("002242", "007200"),
        ("xamsl", "bg"),
        ("data/processed", str(changeable.processed)),
    ):
        program = program.replace(there, here)
    namespace = {}
    exec(program, namespace)
    assert len(namespace["events"]) > 5
