"""Measured values are proposed, accepted, and the runs that they concern become pending."""

import argparse
import json
from datetime import UTC, datetime

import pytest

from xamsflow import cli
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import accepting
from xamsflow.data.processing import process_run
from xamsflow.settings import config, corrections, detector
from xamsflow.settings.corrections import Entry, Provenance
from xamsflow.simulate import LedLight, SimulatedRun, simulate
from xamsflow.state import owner, quantities
from xamsflow.state.quantities import Quantities, Quantity

END = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
LED_RUN = 7500


@pytest.fixture
def ask(site, capsys, monkeypatch):
    """Return a function that runs the command in this process: exit code, what it said."""
    site.configure(detector="xams")
    monkeypatch.chdir(site.work)

    def ask(*arguments: str) -> tuple[int, str]:
        code = cli.main([*arguments, "--configfile", str(site.configfile)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return ask


@pytest.fixture
def runs(site):
    """Runs around the LED run, in several states."""
    documents = [
        {"number": number, "mode": "bkg", "start": END, "end": END, "processing_status": status}
        for number, status in (
            (LED_RUN - 1, "done"),
            (LED_RUN, "done"),
            (LED_RUN + 1, "failed"),
            (LED_RUN + 2, "done"),
        )
    ]
    never = {"number": LED_RUN + 3, "mode": "bkg", "start": END, "end": END}
    site.collection.insert_many([*documents, never])
    return site.collection


def pending(runs):
    """The runs that are to be processed again."""
    return [run["number"] for run in runs.find({"processing_status": "pending"}).sort("number")]


def measured(number, **found):
    quantities.write(Quantities(f"{number:06d}", "xams", "bg", 0, 1, "", {}, found))


def test_a_lifetime_is_accepted_and_exactly_its_runs_become_pending(ask, runs, site):
    measured(LED_RUN, electron_loss_rate=Quantity(1000 / 262.04, 3.1 * 1000 / 262.04**2, "1/ms"))
    code, said = ask("lifetime", str(LED_RUN), "--runs", "7500-7501")
    assert (code, pending(runs)) == (0, [])
    assert "mean: 3.816 ± 0.045 per ms, lifetime: 262.0 ± 3.1 us, in use for run 7500" in said
    assert "in use for run 7500: 300 us (measured)" in said
    assert "accept with --accept" in said
    code, said = ask("lifetime", str(LED_RUN), "--runs", "7500-7501", "--dry-run")
    assert (code, pending(runs)) == (0, [])
    assert "Nothing was changed (--dry-run)" in said
    code, said = ask("lifetime", str(LED_RUN), "--runs", "7500-7501", "--accept")
    assert (code, pending(runs)) == (1, [])
    assert "add --yes to proceed" in said
    assert not (site.work / "config").exists()

    code, said = ask("lifetime", str(LED_RUN), "--runs", "7500-7501", "--accept", "--yes")
    assert code == 0, said
    assert pending(runs) == [LED_RUN, LED_RUN + 1]
    file = json.loads((site.work / "config/corrections/xams_electron_lifetime_v0.json").read_text())
    entry = file["007500-007501"]
    assert (entry["value"], entry["error"], entry["run"]) == (262_000, 3100, LED_RUN)
    assert entry["provenance"] == "measured"
    by_run = corrections.load("xams_electron_lifetime_v0")
    assert [corrections.of_run(by_run, run) for run in (7499, 7501, 7502)] == [3e5, 262_000, 3e5]
    document = runs.find_one({"number": LED_RUN})
    assert document["processing"]["history"][-1]["action"] == "lifetime"

    code, said = ask("lifetime", str(LED_RUN), "--runs", "7500-7501", "--accept", "--yes")
    assert (code, "The proposed values are already in use" in said) == (0, True)


def test_a_run_that_is_being_processed_is_named(ask, runs):
    holder = {"owner": str(owner.current())}
    busy = {"processing_status": "running", "processing": holder}
    runs.update_one({"number": LED_RUN + 1}, {"$set": busy})
    measured(LED_RUN, electron_loss_rate=Quantity(1000 / 262.04, 3.1 * 1000 / 262.04**2, "1/ms"))
    code, said = ask("lifetime", str(LED_RUN), "--accept", "--yes")
    assert code == 1
    assert "is being processed by" in said
    assert pending(runs) == [LED_RUN, LED_RUN + 2]


def test_only_what_was_written_is_to_be_reprocessed(ask, runs, site):
    """The first entry changes the file of the second, which is then not written."""
    name = "xams_electron_lifetime_v0"
    entries = [
        Entry(run, run, 262_000, Provenance.MEASURED, run=run) for run in (LED_RUN, LED_RUN + 2)
    ]
    parser = argparse.ArgumentParser()
    accepting.add_arguments(parser)
    options = parser.parse_args(["--accept", "--yes"])
    with pytest.raises(ConfigurationError, match="has the new value, but") as raised:
        accepting.propose(
            options, config.load([site.configfile]), "lifetime", [(name, one) for one in entries]
        )
    assert raised.value.remedy == "`xamsflow reprocess 7500-7500`"
    assert corrections.of_run(corrections.load(name), LED_RUN) == 262_000
    assert corrections.of_run(corrections.load(name), LED_RUN + 2) == 3e5


def test_without_a_measurement_nothing_is_proposed(ask, runs):
    measured(LED_RUN, electron_loss_rate=Quantity(None, problem="only 12 events"))
    code, said = ask("lifetime", str(LED_RUN), "--accept", "--yes")
    assert (code, pending(runs)) == (1, [])
    assert "only 12 events" in said
    assert "No proposal: none of the runs has an electron loss rate." in said


def test_gains_of_an_led_run_through_the_whole_chain(ask, runs, site):
    one = detector.load("xams")
    light = LedLight.of(
        one, occupancy=1.0, frequency=20_000.0, gain_factor=1.25, dead_channels=(5, 6, 7)
    )
    settings = SimulatedRun(
        number=LED_RUN, detector=one, duration=0.12, pulse_length=220, led=light, noise=1.0
    )
    process_run(
        document=simulate(settings, site.daq),
        detector=one,
        live_data=site.daq,
        processed=site.work / "data" / "processed",
        data_type="led_calibration",
    )
    code, said = ask("gains", "7499")
    assert code == 1
    assert "run 007499: led_calibration is not stored" in said
    code, said = ask(
        "gains", str(LED_RUN), "--keep", "4", "--runs", "7500-7501", "--accept", "--yes"
    )
    assert code == 0, said
    assert (site.work / "results" / "007500" / "gains.png").stat().st_size > 10_000
    before = one.tpc.signals.gains.entry(LED_RUN)
    after = corrections.load("xams_gains_v0").entry(LED_RUN)
    assert (after.first, after.last, after.run) == (7500, 7501, LED_RUN)
    for old, new, error in zip(before.value[:4], after.value[:4], after.error[:4], strict=True):
        assert new == pytest.approx(old / 1.25, abs=4 * error)
        assert error < 0.06 * new
    assert (after.value[4], after.error[4]) == (before.value[4], None)
    assert (after.provenance, after.why) == ("estimated", "not measured, as before: channel 4")
    assert pending(runs) == [LED_RUN, LED_RUN + 1]
