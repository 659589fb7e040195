"""How often an event has the right S1 and S2, by interaction rate, with and without a limit.

The limit is ``drift.max_time`` in the detector file. Each run is simulated once and processed
twice; the two results differ only in the choice of peaks.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.settings import detector
from xamsflow.settings.detector import Detector
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.simulate.physics.checks import MIN_AREA
from xamsflow.simulate.physics.matching import match_events
from xamsflow.simulate.physics.sample import LIVE_DATA, RUN, reconstruct
from xamsflow.simulate.signals import Signal

RATES = (50.0, 100.0, 200.0, 500.0)
"""Interactions per second."""

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Share:
    """Share of interactions, among those with peaks, whose S1 and S2 are the main ones."""

    rate: float
    seed: int
    n: int
    right: float
    beyond: float
    """Share of events with a drift time longer than from the cathode."""


def measure(
    one: Detector, rate: float, seed: int, interactions: int, folder: Path
) -> tuple[Share, Share]:
    """Return the shares in a simulated run without a maximum drift time and with the detector's.

    Raises ConfigurationError if the detector has none.
    """
    if one.tpc is None or one.tpc.max_drift_time is None:
        raise ConfigurationError(
            f"detector {one.name} has no tpc.drift.max_time", "add it to the detector file"
        )
    longest = one.tpc.max_drift_time

    physics = Physics.of(one, RUN, event_rate=rate)
    run = SimulatedRun(RUN, one, duration=interactions / rate, seed=seed, physics=physics)
    document = simulate(run, folder / LIVE_DATA)

    def share(limit: float | None) -> Share:
        assert one.tpc is not None
        limited = replace(one, tpc=replace(one.tpc, max_drift_time=limit))
        sample = reconstruct(replace(run, detector=limited), document, folder)
        found = match_events(
            sample.matched, sample.events, MIN_AREA[Signal.S1], MIN_AREA[Signal.S2]
        )
        beyond = sample.events["drift_time"] > longest
        return Share(
            rate, seed, len(found.is_right), float(found.is_right.mean()), float(beyond.mean())
        )

    return share(None), share(longest)


def measure_all(one: Detector, interactions: int) -> Iterator[tuple[Share, Share]]:
    """Yield the shares for each rate and seed."""
    for rate in RATES:
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                yield measure(one, rate, seed, interactions, Path(folder))


def main() -> int:
    """Print a line for each rate and seed."""
    parser = argparse.ArgumentParser(
        prog="python -m xamsflow.simulate.physics.pile_up", description=__doc__
    )
    parser.add_argument("detectors", nargs="*", default=["xams", "xamsl"])
    parser.add_argument("--interactions", type=int, default=1000, help="number per run [1000]")
    options = parser.parse_args()
    try:
        for name in options.detectors:
            for before, after in measure_all(detector.load(name), options.interactions):
                print(
                    f"{name} {before.rate:g} Hz, seed {before.seed}, {before.n} interactions: "
                    f"right {before.right:.1%} without a limit, {after.right:.1%} with it; "
                    f"drift times beyond the cathode {before.beyond:.1%}, {after.beyond:.1%}",
                    flush=True,
                )
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
