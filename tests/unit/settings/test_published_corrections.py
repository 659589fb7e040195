"""What ships for XAMS against what its collaboration has published."""

import json

import pytest

from xamsflow.settings import corrections, detector
from xamsflow.settings.corrections import Provenance

FIRST_PUBLISHED, LAST_PUBLISHED = 6724, 7467


@pytest.fixture(scope="module")
def xams():
    return detector.load("xams")


def test_each_run_has_gains_and_guesses_are_marked(xams):
    for by_run in xams.corrections.values():
        ends = [entry.last + 1 for entry in by_run.entries[:-1]]
        assert [entry.first for entry in by_run.entries] == [0, *ends]
        assert by_run.entries[-1].last == 999_999
        assert by_run.entries[-1].provenance is Provenance.ESTIMATED
        assert all(entry.why for entry in by_run.entries if entry.provenance != "measured")


@pytest.mark.parametrize(("run", "is_measured"), [(7262, True), (7300, False), (7467, True)])
def test_provenance_of_gains(xams, run, is_measured):
    entry = xams.corrections["gains"].entry(run)
    assert (entry.provenance is Provenance.MEASURED) == is_measured


@pytest.mark.parametrize(
    ("ours", "published"),
    [("xams_s1_map_v0", "s1_map_v0"), ("xams_positions_v0", "pos_rec_params_v0")],
)
def test_map_and_position_parameters_are_those_published(real_data, ours, published):
    found = json.loads((real_data / "corrections" / f"{published}.json").read_text())
    assert corrections.load(ours).entry(7000).value == found["000000-999999"]


def test_gains_and_lifetimes_are_those_published(xams, real_data):
    folder = real_data / "corrections"
    gains = json.loads((folder / "gain_to_pe_array_v1.json").read_text())
    assert gains
    for runs, published in gains.items():
        for run in map(int, runs.split("-")):
            made = [
                *corrections.of_run(xams.corrections["gains"], run),
                *corrections.of_run(xams.corrections["gains_external"], run),
                *corrections.of_run(xams.corrections["gains_sipm"], run),
            ]
            assert made[: len(published)] == published
    for runs, published in json.loads((folder / "elife_v0.json").read_text()).items():
        first, last = map(int, runs.split("-"))
        for run in (first, min(last, FIRST_PUBLISHED - 1) if first < FIRST_PUBLISHED else last):
            assert corrections.of_run(xams.tpc.electron_lifetime, run) == published
    for runs, published in json.loads((folder / "elife_v1.json").read_text()).items():
        for run in map(int, runs.split("-")):
            assert corrections.of_run(xams.tpc.electron_lifetime, run) == published
