"""The strax context of a detector: its plugins, and the folder where its data are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import strax

from xamsflow.detector import Detector
from xamsflow.plugins.raw_records import raw_records
from xamsflow.rundoc import NS_PER_S, Run


def context(
    detector: Detector,
    processed: Path,
    config: Mapping[str, Any] | None = None,
    readonly: bool = False,
) -> strax.Context:
    """Return a context that makes and loads the data types of a detector in `processed`.

    To load what is stored, it needs nothing else; to make raw records, `config` has to hold the
    run's own settings, see :func:`run_config`. With `readonly` nothing is ever written.
    """
    return strax.Context(
        storage=[strax.DataDirectory(str(processed), deep_scan=True, readonly=readonly)],
        config=dict(config or {}),
        register=[raw_records(detector)],
        allow_multiprocess=False,
    )


def run_config(run: Run, live_data_folder: Path) -> dict[str, Any]:
    """Return the settings for making raw records of one run.

    `live_data_folder` is the run's own folder. None of them is part of the lineage.
    """
    return {
        "daq_input_dir": str(live_data_folder),
        "daq_compressor": run.compressor,
        "daq_chunk_duration": run.chunk_duration,
        "daq_overlap_chunk_duration": run.overlap_duration,
        "readout_threads": dict(run.readers),
        "record_length": run.record_length,
        "run_start_time": run.start / NS_PER_S,
        "run_end_time": 0.0 if run.end is None else run.end / NS_PER_S,
    }
