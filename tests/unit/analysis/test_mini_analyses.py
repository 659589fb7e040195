"""straxen's mini-analyses on the context of a site; docs/how-to/events.md lists which work."""

import re

import numpy as np
import pytest
from matplotlib import pyplot as plt

from xamsflow.state import layout

plt.switch_backend("Agg")

RUN = "006800"
EVENT, S1, PEAKS = {"of": "event"}, {"of": "s1"}, {"of": "run"}
WORK = {
    "plot_waveform": EVENT | {"deep": True},
    "plot_peaks": EVENT,
    "plot_records_matrix": EVENT,
    "records_matrix": EVENT,
    "raw_records_matrix": S1,
    "plot_pulses_tpc": S1 | {"plot_hits": True, "max_plots": 1},
    "plot_peak_classification": PEAKS,
    "plot_peaks_aft_histogram": PEAKS,
}


@pytest.fixture(scope="module")
def context(shared_site):
    import straxen  # noqa: F401, PLC0415 - takes seconds

    return shared_site.context()


def span(context, run, of):
    if of == "run":
        return {}
    events = context.get_array(run, "event_basics", progress_bar=False)
    (event, *_) = events[events["s1_index"] >= 0]
    if of == "event":
        return {"time_range": (int(event["time"]), int(event["endtime"]))}
    return {"time_range": (int(event["s1_time"]) - 500, int(event["s1_endtime"]) + 500)}


@pytest.mark.parametrize("name", WORK)
def test_what_works(context, name):
    options = {key: value for key, value in WORK[name].items() if key != "of"}
    getattr(context, name)(RUN, **span(context, RUN, WORK[name]["of"]), **options)
    plt.close("all")


def test_the_document_lists_all(context):
    text = (layout.REPOSITORY / "docs" / "how-to" / "events.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| (yes|no|only).*\|$", text, re.MULTILINE)
    listed = {name: answer for names, answer in rows for name in re.findall(r"`(\w+)`", names)}
    assert {name for name, answer in listed.items() if answer == "yes"} == set(WORK)
    assert all(hasattr(context, name) for name in listed)
    counts = re.search(r"(\d+)\s+mini-analyses\s+(?:in|of)\s+straxen[^:]*?(\d+)\s+work:", text)
    assert counts.groups() == (str(len(listed)), str(len(WORK)))


@pytest.mark.parametrize("run", ["006800", "007200"])
def test_each_run_has_its_own_gains(context, run):
    where = span(context, run, "s1")
    matrix, times, _ = context.records_matrix(run, **where)
    records = context.get_array(
        run, "records", time_selection="touching", progress_bar=False, **where
    )
    gains = context.get_single_plugin(run, "peaks").gains
    expected = np.zeros(5)
    np.add.at(expected, records["channel"], records["data"].sum(axis=1) * 1.0)
    width = (times[1] - times[0]) * 1e9
    assert matrix.sum(axis=0) * width == pytest.approx(expected * gains, rel=0.02, abs=0.5)
