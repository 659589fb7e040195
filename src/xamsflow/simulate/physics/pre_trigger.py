"""Areas of a TPC by the number of samples that the DAQ records before a pulse.

V1724s measure no baseline, so these samples are decisive. ``--no-own-baseline`` turns off the
V1730s' measurement as well.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xamsflow.base import yaml_file
from xamsflow.settings import detector
from xamsflow.settings.detector import Detector
from xamsflow.simulate import Physics, Signal, SimulatedRun
from xamsflow.simulate.physics.checks import AREA_EDGES, MIN_AREA, MIN_IN_BIN
from xamsflow.simulate.physics.quality import area_response
from xamsflow.simulate.physics.sample import take
from xamsflow.state import layout

RUN = 932
PRE_TRIGGERS = (16, 20, 25, 30, 40, 48)
"""Samples."""


@dataclass(frozen=True)
class Areas:
    """The quality of areas: bias of all signals, and of the worst bin with its error.

    If a run is too short for any bin to have enough signals, the first bin is used.
    """

    n: int
    bias: float
    worst: float
    worst_error: float
    efficiency: float


def v1724() -> Detector:
    """Return XAMS of 2021 with its V1724s reading the TPC, at the V1730's gain per sample."""
    path = layout.REPOSITORY / layout.DETECTORS / "xams_2021.yaml"
    settings = yaml_file.read(path)
    settings["tpc"]["channels"] = settings.pop("signals")["v1724"]["channels"]
    return detector.parse("v1724", settings, "xams_2021 read by V1724s")


def measure(one: Detector, folder: Path, **choices: object) -> dict[Signal, Areas]:
    """Return the quality of areas in a simulated run; `choices` are settings of the run."""
    settings: dict[str, object] = {"duration": 8.0, "seed": 1} | choices
    run = SimulatedRun(RUN, one, physics=Physics.of(one, RUN), **settings)  # type: ignore[arg-type]
    matched = take(run, folder).matched
    result = {}
    for kind, area in MIN_AREA.items():
        alone = matched.found(kind, area, alone=True)
        found = matched.peaks["area"][matched.peak[alone]].sum(dtype=float)
        true = matched.signals["area"][alone].sum(dtype=float)
        bins = area_response(matched, kind, AREA_EDGES[kind])
        judged = np.flatnonzero((bins.edges[:-1] >= area) & (bins.n >= MIN_IN_BIN))
        worst = judged[np.argmax(np.abs(bins.bias[judged]))] if len(judged) else 0
        result[kind] = Areas(
            n=len(alone),
            bias=found / true - 1,
            worst=bins.bias[worst],
            worst_error=bins.bias_error[worst],
            efficiency=len(matched.found(kind, area)) / len(matched.select(kind, area)),
        )
    return result


def main() -> int:
    """Print a line for each pre-trigger."""
    parser = argparse.ArgumentParser(
        prog="python -m xamsflow.simulate.physics.pre_trigger", description=__doc__
    )
    add = parser.add_argument
    add("--detector", help="a file in config/detectors [a TPC read by V1724s]")
    add("--no-own-baseline", action="store_true", help="digitizers measure no baseline")
    add("--duration", type=float, default=8.0, help="length of each run, s [8]")
    add("--seed", type=int, default=1)
    options = parser.parse_args()
    one = v1724() if options.detector is None else detector.load(options.detector)
    for samples in PRE_TRIGGERS:
        with tempfile.TemporaryDirectory() as folder:
            areas = measure(
                one,
                Path(folder),
                duration=options.duration,
                seed=options.seed,
                pre_trigger=samples,
                own_baseline=not options.no_own_baseline,
            )
        for kind, found in areas.items():
            print(
                f"{one.name}, {samples} samples: {kind.name} {found.n} signals, area "
                f"{found.bias:+.2%}, worst bin {found.worst:+.2%} ± {found.worst_error:.2%}, "
                f"efficiency {found.efficiency:.1%}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
