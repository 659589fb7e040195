"""Faults of a detector, simulated: is each of them seen in the first run that has it?

``python -m xamsflow.simulate.physics.health`` simulates usual runs, then a run with each fault, and
measures, judges and lists them. All runs go through the same code as real ones.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from xamsflow.analysis.health import judging
from xamsflow.analysis.quantities import make
from xamsflow.analysis.quantities.own import OwnQuantities
from xamsflow.analysis.site import Site, open_site
from xamsflow.base import yaml_file
from xamsflow.base.errors import XamsflowError
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.simulate.settings import THRESHOLD
from xamsflow.state import layout, receipts
from xamsflow.state.health import Health, Verdict
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

DETECTOR = "xams"
GAINS = [0.00773395, 0.00601685, 0.00698324, 0.00651466, 0.00635728]
"""PE per ADC count and sample: those of XAMS runs 6797 to 6805, for all runs."""

FIRST = 20_000

USUAL = 20
"""Usual runs before those with a fault, of which the first cannot be judged."""

BOTTOM, TOP, OTHER_TOP = 0, 2, 4
"""Channels of XAMS."""

NOISE, LIFETIME, DARK_RATE = 2.0, 300_000.0, 1000.0
"""ADC counts rms, ns, and Hz per PMT of usual runs."""

COLUMNS = (
    Column("fault"),
    Column("verdict"),
    Column("odd", right=True),
    Column("what stands out", cut=30),
)


@dataclass(frozen=True)
class _Changed:
    """What a fault changes: settings of the run, and of its physics."""

    run: Mapping[str, Any]
    physics: Mapping[str, Any]


def _physics(**changes: Any) -> _Changed:
    return _Changed({}, changes)


def _run(**changes: Any) -> _Changed:
    return _Changed(changes, {})


FAULTS = {
    "dead PMT": _physics(dead_channels=(TOP,)),
    "noise +20 %": _run(noise=1.2 * NOISE),
    "gain of a top PMT -5 %": _run(gain_factors=((TOP, 0.95),)),
    "gain of the bottom PMT -5 %": _run(gain_factors=((BOTTOM, 0.95),)),
    "electron lifetime halved": _physics(electron_lifetime=LIFETIME / 2),
    "baseline step of 10 counts": _run(baseline_steps=((TOP, 10.0),)),
    # What is left of the field moves electrons slowly, and most are lost on the way.
    "drift field off": _physics(drift_velocity=1.3e-4, electron_lifetime=LIFETIME / 8),
    "light leak": _physics(dark_rate=2 * DARK_RATE),
    "lost digitizer": _physics(dead_channels=tuple(range(8))),
    "wrong threshold": _run(threshold=2 * THRESHOLD),
    "swapped cables": _physics(swapped_channels=(TOP, OTHER_TOP)),
}
"""Drift velocity in mm/ns, a usual one is 1.04e-3; the other units are those of the settings."""


def usual_run(number: int, duration: float) -> SimulatedRun:
    """Return a usual run of a calibration line.

    It has many dark counts, as many as a run of minutes. External signals and SiPMs cost time and
    are not judged.
    """
    one = detector.load(DETECTOR)
    physics = Physics.of(
        one,
        number,
        event_rate=100.0,
        s1_area=(40.0, 60.0),
        s2_area=(900.0, 1100.0),
        electron_lifetime=LIFETIME,
        dark_rate=DARK_RATE,
        sipm_dark_rate=0.0,
        sipm_light=0.0,
        external_fraction=0.0,
    )
    return SimulatedRun(
        number,
        one,
        start=datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=number - FIRST),
        duration=duration,
        seed=1,
        pulse_length=200,
        noise=NOISE,
        electronics_of=FIRST,
        physics=physics,
    )


def prepare(directory: Path) -> Site:
    """Return the site of a working directory, with a detector file for these runs."""
    usual = layout.REPOSITORY / layout.DETECTORS / f"{DETECTOR}.yaml"
    settings = yaml_file.read(usual)
    settings["tpc"]["gains"] = GAINS
    file = directory / layout.DETECTORS / usual.name
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    (directory / layout.SITE_SETTINGS).write_text(f"detector: {DETECTOR}\n", encoding="utf-8")
    return open_site(layout.SITE_SETTINGS, directory=directory, run_database=False)


def with_fault(run: SimulatedRun, name: str) -> SimulatedRun:
    """Return a usual run with one of FAULTS."""
    assert run.physics is not None, "usual runs have one"
    changed = FAULTS[name]
    return replace(run, **changed.run, physics=replace(run.physics, **changed.physics))


def take(run: SimulatedRun, site: Site) -> Health:
    """Simulate and process a run in the site's working directory, and judge it."""
    live_data = site.directory / "live_data"
    document = simulate(run, live_data)
    made = process_run(
        document=document,
        detector=run.detector,
        live_data=live_data,
        processed=site.processed,
        data_type="event_info",
    )
    transferred = {"run_document": rundoc.to_json(document), "bytes": 1}
    receipts.write(layout.transfer_receipt(run.run_id), transferred)
    receipts.write(layout.data_type_receipt(run.run_id, "event_info"), made)
    with OwnQuantities(site) as own:
        make.make(site, run.run_id, own)
    (found,) = judging.judge([run.run_id], site.settings)
    return found


def judged(duration: float, n_usual: int, faults: list[str]) -> Iterator[tuple[str, Health]]:
    """Yield the verdicts on usual runs, named ``usual``, and on a run with each fault.

    The runs are in the working directory.
    """
    site = prepare(Path())
    for index, name in enumerate(["usual"] * n_usual + faults):
        run = usual_run(FIRST + index, duration)
        yield name, take(run if name == "usual" else with_fault(run, name), site)


def main() -> int:
    """Print the verdicts; return 0 if all faults are seen and no usual run is odd."""
    parser = argparse.ArgumentParser(prog="python -m xamsflow.simulate.physics.health")
    parser.add_argument("--duration", type=float, default=20.0, help="length of a run, s [20]")
    parser.add_argument("--usual", type=int, default=USUAL, help=f"usual runs [{USUAL}]")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            found = []
            for name, verdict in judged(options.duration, options.usual, list(FAULTS)):
                print(f"{verdict.run_id} {name}: {verdict.verdict}", file=sys.stderr)
                found.append((name, verdict))
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1
    rows = [_row(name, one) for name, one in found if name != "usual" or one.odd]
    print(terminal.table(COLUMNS, rows, line=terminal.width()))
    right = [(one.verdict is Verdict.ODD) == (name != "usual") for name, one in found]
    return 0 if all(right) else 1


def _row(name: str, found: Health) -> list[str]:
    """Return a line of the table; what stands out most comes first."""
    odd = sorted(found.odd, key=lambda one: -abs(one.deviation or 0))
    return [name, found.verdict.value, str(len(odd)), "; ".join(map(str, odd[:3]))]


if __name__ == "__main__":
    sys.exit(main())
