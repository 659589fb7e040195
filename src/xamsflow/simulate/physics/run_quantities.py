"""Whether the errors of the quantities of runs are honest, from many simulated runs.

All runs are alike except for chance. In 68 % of them, a quantity should be within its error of the
truth: of what was simulated, if that is the same thing, or of the mean of all runs.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xamsflow.analysis.quantities import make, shipped
from xamsflow.analysis.quantities.run_data import Facts, RunData
from xamsflow.base.errors import XamsflowError
from xamsflow.data.context import context
from xamsflow.data.loading import Loader
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.simulate.physics.sample import DETECTOR, LIVE_DATA, RUN
from xamsflow.state.quantities import Quantity
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

CHUNK_S = 0.5
EVENT_RATE = 120.0
S2_AREA = (4_000.0, 6_000.0)
"""PE; a line, from which a few hundred events give the electron lifetime."""

OTHER_IN_EACH_RUN = "baseline_"
"""The simulator draws other baselines for each run."""

COLUMNS = (
    Column("quantity"), Column("runs", right=True), Column("truth", right=True),
    Column("mean", right=True), Column("error", right=True), Column("within", right=True),
)  # fmt: skip


def main() -> int:
    """Print a line for each quantity; return 0 if 63 to 73 % of all values are within errors."""
    parser = argparse.ArgumentParser(
        prog="python -m xamsflow.simulate.physics.run_quantities", description=__doc__
    )
    add = parser.add_argument
    add("--runs", type=int, default=200, help="number of runs [200]")
    add("--duration", type=float, default=5.0, help="length of each run, s [5]")
    add("--detector", default=DETECTOR, help=f"a file in config/detectors [{DETECTOR}]")
    options = parser.parse_args()
    try:
        one = detector.load(options.detector)
        physics = Physics.of(one, RUN, event_rate=EVENT_RATE, s2_area=S2_AREA)
        with tempfile.TemporaryDirectory() as folder:
            runs = [
                _measured(
                    SimulatedRun(
                        RUN,
                        one,
                        duration=options.duration,
                        seed=seed,
                        chunk_length=CHUNK_S,
                        chunk_overlap=CHUNK_S / 5,
                        physics=physics,
                    ),
                    Path(folder) / str(seed),
                )
                for seed in range(options.runs)
            ]
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1
    return _report(runs, _truths(physics))


def _truths(physics: Physics) -> dict[str, float]:
    loss_rate = 1e6 / physics.electron_lifetime
    return {
        "electron_loss_rate": loss_rate,
        "electron_loss_rate_2": loss_rate,
        "drift_time_edge": physics.drift_time(physics.drift_length) / 1e3,
        "electron_lifetime": physics.electron_lifetime / 1e3,
        "electron_lifetime_2": physics.electron_lifetime / 1e3,
    }


def _measured(settings: SimulatedRun, folder: Path) -> dict[str, Quantity]:
    """Simulate and process a run, and return its quantities."""
    document = simulate(settings, folder / LIVE_DATA)
    processed = folder / "processed"
    made = process_run(
        document=document,
        detector=settings.detector,
        live_data=folder / LIVE_DATA,
        processed=processed,
        data_type="event_basics",
    )
    run = rundoc.parse(document)
    assert run.end is not None, "the simulated run has ended"
    live_time = made["quality"]["live_time_ns"]
    facts = Facts(settings.run_id, run.mode, (), run.start, run.end, live_time)
    loader = Loader(context(settings.detector, processed, readonly=True), processed)
    data = RunData(facts, settings.detector, processed, lambda: loader)
    found: dict[str, Quantity] = {}
    for each in shipped.definitions():
        found |= make.measure(each, data)
    return found


def _report(runs: Sequence[Mapping[str, Quantity]], truths: Mapping[str, float]) -> int:
    rows, all_inside = [], []
    for name in runs[0]:
        found = [run[name] for run in runs]
        pairs = [
            (float(each.value), each.error)
            for each in found
            if isinstance(each.value, float) and each.error
        ]
        if name.startswith(OTHER_IN_EACH_RUN):
            continue
        if len(pairs) < 2:
            why = next((each.problem for each in found if each.problem), "no error")
            rows.append([name, str(len(pairs)), "", "", "", str(why)])
            continue
        values, errors = np.transpose(pairs)
        truth = truths.get(name, float(values.mean()))
        inside = np.abs(values - truth) <= errors
        if values.std() > 0:
            all_inside += inside.tolist()
        rows.append(
            [
                name,
                str(len(pairs)),
                f"{truth:.5g}" if name in truths else "",
                f"{values.mean():.5g}",
                f"{np.median(errors):.2g}",
                f"{100 * inside.mean():.0f} %",
            ]
        )
    print(terminal.table(COLUMNS, rows, line=terminal.width()))
    total = float(np.mean(all_inside))
    print(f"{100 * total:.1f} % of {len(all_inside)} values are within one error of the truth")
    return 0 if abs(total - 0.68) <= 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
