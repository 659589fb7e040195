import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import strax

from live_records import (
    OVERLAP,
    RUN,
    START_NS,
    THREAD,
    both_digitizers,
    in_order,
    pulses,
    random_pulses,
    write_run,
)
from xamsflow.data.context import context, run_config
from xamsflow.redax import rundoc

RUN_ID = f"{RUN:06d}"


def test_settings_of_a_run(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000), compressor="blosc")
    document["daq_config"]["strax_fragment_payload_bytes"] = 100
    run = rundoc.parse(document)
    assert run_config(run, tmp_path / RUN_ID) == {
        "daq_input_dir": str(tmp_path / RUN_ID),
        "daq_compressor": "blosc",
        "daq_chunk_duration": 1_000_000_000,
        "daq_overlap_chunk_duration": OVERLAP,
        "readout_threads": {THREAD.rpartition("_")[0]: 1},
        "record_length": 50,
        "run_start_time": START_NS / 1e9,
        "run_end_time": START_NS / 1e9 + 3,
        "daq_buffered_chunks": run.buffered_chunks,
        "enabled_inputs": tuple(sorted(run.enabled_inputs)),
    }


def test_run_without_end(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000)) | {"end": None}
    assert run_config(rundoc.parse(document), tmp_path)["run_end_time"] == 0


def test_any_strax_user_can_open_what_is_stored(tmp_path: Path) -> None:
    records = random_pulses(100_000_000, n=50)
    document = write_run(tmp_path, records)
    config = run_config(rundoc.parse(document), tmp_path / RUN_ID)
    processed = tmp_path / "processed"
    maker = context(both_digitizers(), processed, config)
    maker.make(RUN_ID, "raw_records_v1730")
    key = maker.key_for(RUN_ID, "raw_records_v1730")
    assert (processed / str(key)).is_dir()

    # Neither the run's settings nor our plugin are needed, only strax and the folder.
    frontend = strax.DataDirectory(str(processed), readonly=True)
    stored = np.concatenate([chunk.data for chunk in frontend.loader(key)])
    stored["time"] -= START_NS
    assert np.array_equal(stored, in_order(records[records["channel"] < 2]))

    reader = context(both_digitizers(), processed, readonly=True)
    assert reader.is_stored(RUN_ID, "raw_records_v1724")
    assert len(reader.get_array(RUN_ID, "raw_records_v1724", progress_bar=False)) == np.sum(
        records["channel"] >= 2
    )
    metadata = json.loads(next((processed / str(key)).glob("*-metadata.json")).read_text())
    assert metadata["quality"]["records_on_disk"] == len(records)


def test_reading_only_makes_no_folder(tmp_path: Path) -> None:
    reader = context(both_digitizers(), tmp_path / "processed", readonly=True)
    assert not reader.is_stored(RUN_ID, "raw_records_v1730")
    assert not (tmp_path / "processed").exists()


@pytest.mark.parametrize("module", ["xamsflow.data.context"])
def test_import_is_quiet(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
