"""Compile what strax compiles at its first use, so that no job has to wait for it.

numba keeps the results beside strax, for all who use the environment. They differ between
detectors with their number of channels; this does it for the configured one.
"""

import logging
import tempfile
from pathlib import Path

from xamsflow.data.processing import process_run
from xamsflow.settings import config, detector
from xamsflow.simulate import Physics, SimulatedRun, simulate


def main() -> None:
    """Make all data types of a short simulated run, and forget them."""
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
