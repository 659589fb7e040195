"""What changed between two lineages of a run: numbers, words, the report and its receipt."""

import json
import shutil

import numpy as np
import pytest

from xamsflow import cli
from xamsflow.analysis.comparison import report, settings, summary
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.data import loading
from xamsflow.data.context import plugins
from xamsflow.state import compared, layout, lineages, strax_folder

RUN = "006800"
EXTRA = 1.25
"""The earlier version multiplied the areas of S2s by this."""
SMALLEST = 5.0
"""PE; the earlier settings dropped smaller peaks."""


@pytest.fixture
def remade(changeable, monkeypatch):
    """The site with data of a run that were made with earlier settings and plugins."""
    monkeypatch.chdir(changeable.directory)
    st = changeable.context(changeable.processed, lineage="new")
    (basics,) = (one for one in plugins(changeable.detector) if one.provides == "event_basics")

    class EventBasics(basics):
        __version__ = "0.0.1"

        def compute(self, *args, **kwargs):
            events = super().compute(*args, **kwargs)
            events["s2_area"] *= EXTRA
            return events

    st.register(EventBasics)
    st.set_config({"peak_min_area": SMALLEST})
    # The records of both lineages are the same, so only what follows is made.
    for name in ("peaks", "peak_basics", "event_basics"):
        st.make(RUN, name, save=name, progress_bar=False)
    return changeable


def test_numbers(remade, tmp_path, monkeypatch):
    found = summary.compare(remade.processed, [RUN])
    (run,) = found.runs
    assert run.pair.new["peak_basics"] == lineages.published(remade.processed, RUN)["peak_basics"]
    peaks, events = found.overall["peaks"], found.overall["events"]
    areas = remade.load("peak_basics", RUN, lineage="new")["area"]
    assert peaks.n_new == len(areas)
    old, new = (loading.columns(RUN, path, ["time"])["time"] for path in run.pair.folders("peaks"))
    assert peaks.n_gained == (~np.isin(new, old)).sum() > 0.9 * (areas < SMALLEST).sum() > 0
    assert peaks.n_lost == peaks.n_split == peaks.n_merged == 0
    assert sum(peaks.classes.values()) == peaks.n_matched + peaks.n_gained
    same = sum(n for (old, new), n in peaks.classes.items() if old == new)
    assert peaks.n_reclassified == peaks.n_matched - same
    assert peaks.changes["S2 area"].n == peaks.changes["S2 area"].n_same > 10
    assert (events.n_lost, events.n_gained) == (0, 0)
    median = found.summaries()["events"]["S2 area"]["median"]
    assert median == pytest.approx(100 * (1 / EXTRA - 1), abs=1e-4)
    assert found.summaries()["events"]["drift time"]["n_same"] == events.changes["drift time"].n
    table = found.by_run()
    assert list(table["kind"]) == ["events", "peaks"]
    assert table["S2_area_median"][0] == pytest.approx(median)
    present = run.pair.lineages("event_basics")[1]["event_basics"]
    assert list(found.settings) == [
        f"event_basics: version of EventBasics is {present[1]}, was 0.0.1",
        "peaks: peak_min_area is 0, was 5.0",
    ]
    monkeypatch.chdir(tmp_path)
    found.runs.append(run)  # as if another run had changed in the same way
    page = report.write(found, tmp_path).read_text()
    assert "By run" in page
    assert page.count("<td>006800</td>") == 2


def ask(capsys, *arguments):
    code = cli.main([*arguments, "--configfile", "own.yaml"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_from_the_report_to_the_switch(remade, tmp_path, monkeypatch, capsys):
    work = tmp_path / "work"
    shutil.copytree(remade.directory / "results", work / "results")
    (work / "own.yaml").write_text(f"detector: xams\nstorage: {{processed: {remade.processed}}}\n")
    monkeypatch.chdir(work)
    before = {path: path.read_bytes() for path in remade.processed.rglob("*") if path.is_file()}
    code, out, err = ask(capsys, "compare", "6800", "7200")
    assert (code, out.splitlines()[-1]) == (1, str(work / layout.COMPARISON / "index.html"))
    assert err == (
        "xamsflow: run 007200 is stored with only one lineage: "
        "`xamsflow reprocess 7200 --beside` creates a second one\n"
    )
    assert "peaks: peak_min_area is 0, was 5.0" in out
    page = (work / layout.COMPARISON / "index.html").read_text()
    assert page.count("data:image/png;base64,") >= 4
    assert "007200" in page
    numbers = json.loads((work / layout.COMPARISON / "comparison.json").read_text())
    receipt = compared.read(RUN)
    assert receipt.new.keys() >= {"peaks", "peak_basics", "event_basics"}

    code, out, _ = ask(capsys, "compare", "6800", "--json", "--output", "other")
    of_run = json.loads(out)["runs"][0]
    assert (code, of_run) == (0, numbers["runs"][0])
    kept = lineages.Kept(RUN, of_run["old"], accepted=False, by="ann", time="")
    lineages._write(remade.processed, kept)  # as if it had been remade beside them
    old = remade.load("event_basics", RUN)["s2_area"]
    assert ask(capsys, "lineage", "6800", "--accept", "--yes")[0] == 0
    new = remade.load("event_basics", RUN)["s2_area"]
    np.testing.assert_allclose(new * EXTRA, old, rtol=1e-6)
    assert ask(capsys, "lineage", "6800", "--back", "--yes")[0] == 0
    np.testing.assert_array_equal(remade.load("event_basics", RUN)["s2_area"], old)
    assert before == {path: path.read_bytes() for path in before}, "no data changed"

    # Any data type names a lineage; the other way round, signs and roles change.
    names = {"old": of_run["new"]["peak_basics"], "new": of_run["old"]["event_basics"]}
    found = remade.compare(RUN, **names)
    assert found.runs[0].pair.old["event_basics"] == of_run["new"]["event_basics"]
    assert found.overall["peaks"].n_lost == of_run["kinds"]["peaks"]["n_gained"]
    median = found.total().set_index("kind")["S2_area_median"]["events"]
    assert median == pytest.approx(100 * (EXTRA - 1), abs=1e-4)
    with pytest.raises(
        ConfigurationError, match="no data with the lineage hash 'abc': available: "
    ):
        remade.compare(RUN, old="abc")


def test_what_cannot_be_compared_is_one_line(remade):
    with pytest.raises(ConfigurationError, match="run 006801 has no new data: no receipt"):
        remade.compare(6801)
    (other,) = {
        path
        for path in remade.processed.glob(f"{RUN}-peaks-*")
        if not path.name.endswith(lineages.published(remade.processed, RUN)["peaks"])
    }
    third = lineages.folder(remade.processed, RUN, "peaks", "abcdefghij")
    third.mkdir()
    strax_folder.metadata_file(third).write_text("{}")
    with pytest.raises(ConfigurationError, match=r"more than two lineages.* peaks-abcdefghij"):
        remade.compare(RUN)
    shutil.rmtree(third)
    file = strax_folder.metadata_file(other)
    metadata = json.loads(file.read_text())
    for content in ("{", "{}", json.dumps(metadata | {"chunks": None})):
        file.unlink()  # it is linked
        file.write_text(content)
        with pytest.raises(BadDataError, match="run 006800") as error:
            remade.compare(RUN)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": ["A", "1", {"x": 1}]}, {"a": ["A", "1", {"x": 1}]}, []),
        (
            {"a": ["A", "1", {}]},
            {"b": ["B", "1", {}]},
            ["a is no longer used", "b is new, made by B"],
        ),
        ({"a": ["A", "1", {}]}, {"a": ["B", "2", {}]}, ["a: made by B 2, was A 1"]),
        (
            {"a": ["A", "1", {"x": 1, "y": None}]},
            {"a": ["A", "1", {"y": "z", "w": True}]},
            [
                "a: option w is new, true",
                "a: option x is gone, was 1",
                "a: y is z, was null",
            ],
        ),
        (
            {"a": ["A", "1", {"gains": [1.0, 2.0, 3.0]}]},
            {"a": ["A", "1", {"gains": [1.0, 2.1, 2.7]}]},
            ["a: gains differs in 2 of 3 values, by -10 % to +5 %"],
        ),
        (
            {"a": ["A", "1", {"gains": [1.0, 2.0]}]},
            {"a": ["A", "1", {"gains": [1.2, 2.0]}]},
            ["a: gains differs in 1 of 2 values, by +20 %"],
        ),
        (
            {"a": ["A", "1", {"gains": [0.0, 2.0]}]},
            {"a": ["A", "1", {"gains": [1.0, 2.0]}]},
            ["a: gains differs in 1 of 2 values"],
        ),
    ],
)
def test_differences_in_words(old, new, lines):
    assert list(settings._differences(old, new)) == lines
