"""Compile what strax compiles at its first use, so that jobs do not have to wait for it.

numba caches the results in strax's folder, for all users of the environment. They depend on the
detector's number of channels; this module compiles for the configured detector.
"""

import logging
import tempfile
from pathlib import Path

from tqdm import tqdm

from xamsflow.data.processing import process_run
from xamsflow.settings import config, detector
from xamsflow.settings.detector import Detector
from xamsflow.simulate import Physics, SimulatedRun, simulate


def process_simulated_run(chosen: Detector, data_type: str, *, duration_s: float) -> None:
    """Make a data type of a short simulated run of a detector, and discard it.

    Afterwards this process has all functions compiled.
    """
    tqdm.monitor_interval = 0  # no thread that stays
    run = SimulatedRun(
        number=2240,
        detector=chosen,
        duration=duration_s,
        physics=Physics.of(chosen, 2240, event_rate=50),
    )
    with tempfile.TemporaryDirectory() as folder:
        process_run(
            document=simulate(run, Path(folder)),
            detector=chosen,
            live_data=Path(folder),
            processed=Path(folder) / "processed",
            data_type=data_type,
        )


def main() -> None:
    """Compile for the configured detector."""
    logging.disable(logging.WARNING)
    chosen = detector.load(config.load().detector)
    process_simulated_run(chosen, "event_info", duration_s=1.0)


if __name__ == "__main__":
    main()
