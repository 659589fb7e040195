"""Compile what strax compiles at its first use, so that jobs do not have to wait for it.

numba caches the results in strax's folder, for all users of the environment. They depend on the
detector's number of channels; this module compiles for the configured detector.
"""

import logging
import tempfile
from pathlib import Path

from xamsflow.data.processing import process_run
from xamsflow.settings import config, detector
from xamsflow.simulate import Physics, SimulatedRun, simulate


def main() -> None:
    """Make all data types of a short simulated run, and discard them."""
    logging.disable(logging.WARNING)
    chosen = detector.load(config.load().detector)
    run = SimulatedRun(
        number=2240, detector=chosen, duration=1.0, physics=Physics.of(chosen, 2240, event_rate=50)
    )
    with tempfile.TemporaryDirectory() as folder:
        process_run(
            document=simulate(run, Path(folder)),
            detector=chosen,
            live_data=Path(folder),
            processed=Path(folder) / "processed",
            data_type="event_info",
        )


if __name__ == "__main__":
    main()
