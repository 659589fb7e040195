"""No alarm without a fault: simulated good runs, every legal oddity of the format, a real run.

``XAMSFLOW_GOOD_RUNS`` sets how many simulated runs are checked; ``make faults`` takes 200.
"""

import json
import os
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_records import CHUNK, PERIOD, THREAD, both_digitizers, pulse, pulses, write_run
from xamsflow.redax import rundoc
from xamsflow.redax.verification import Verification, verify_run
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, simulate, truth

N_RUNS = int(os.environ.get("XAMSFLOW_GOOD_RUNS", "20"))


def good_run(seed: int) -> SimulatedRun:
    """Return settings of a run in which redax loses nothing: no thread has an empty main part."""
    rng = random.Random(seed)
    one = detector.load(rng.choice(["xams", "xamsl", "xams_2021"]))
    threads = rng.randint(1, 4)
    run = SimulatedRun(
        number=seed,
        detector=one,
        duration=rng.uniform(0.01, 4.0),
        rate=rng.choice([50.0, 200.0, 800.0]),
        noise=rng.uniform(0, 4),
        seed=seed,
        threads=threads,
        idle_threads=rng.randint(0, threads - 1),
        compressor=rng.choice(["lz4", "lz4", "blosc"]),
        chunk_length=rng.choice([0.3, 0.5, 1.0]),
        chunk_overlap=rng.choice([0.05, 0.1]),
        fragment_payload=rng.choice([220, 220, 220, 100]),
        pulse_length=rng.choice([100, 500, 1200]),
        long_fraction=rng.choice([0.001, 0.1]),
        s2_fraction=rng.choice([0.0, 0.0, 0.2]),
        border_pulses=rng.random() < 0.5,
    )
    if rng.random() < 0.2 and run.fragment_payload == 220:
        physics = Physics.of(one, seed, event_rate=rng.choice([10.0, 50.0]))
        run = replace(run, physics=physics, s2_fraction=0.0, border_pulses=False)
    return run


def verify(folder: Path, one: Any, document: dict[str, Any]) -> Verification:
    return verify_run(folder, one, document)


@pytest.mark.parametrize("seed", range(1, N_RUNS + 1))
def test_simulated_run(tmp_path: Path, seed: int) -> None:
    run = good_run(seed)
    document = simulate(run, tmp_path)
    found = verify(tmp_path / run.run_id, run.detector, document)
    alarms = [one for one in found.findings if one["severity"] != "note"]
    assert alarms == [], run
    assert found.verdict == "clean"
    assert found.n_records == len(truth(run))


def oddity(tmp_path: Path, *times: int, threads: tuple[str, ...] = (THREAD,)) -> Verification:
    document = write_run(tmp_path, pulses(*times), threads=threads)
    return verify(tmp_path / "000007", both_digitizers(), document)


def assert_clean(found: Verification, *notes: str) -> None:
    assert found.verdict == "clean", found.findings
    assert [one["rule"] for one in found.findings] == list(notes)


def test_data_begin_late(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 2 * PERIOD + 1000), "T13")


def test_empty_part_of_a_quiet_run(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 1000, 2 * PERIOD + 1000), "T13")


def test_run_ends_in_a_main_part(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 1000, CHUNK + 1000, PERIOD + 1000))


def test_run_ends_in_an_overlap(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 1000, CHUNK + 1000, PERIOD + 1000, PERIOD + CHUNK + 1000))


def test_run_shorter_than_a_chunk(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 1000))


def test_last_record_in_the_last_microsecond(tmp_path: Path) -> None:
    assert_clean(oddity(tmp_path, 1000, PERIOD - 500))


def test_threads_end_in_different_chunks(tmp_path: Path) -> None:
    threads = (THREAD, "daq_reader_0_140001")
    assert_clean(oddity(tmp_path, 1000, 2000, PERIOD, PERIOD + 1000, 2 * PERIOD, threads=threads))


def test_idle_thread(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000))
    document["daq_config"]["processing_threads"] = {"daq_reader_0": 4, "daq_reader_1": 2}
    assert_clean(verify(tmp_path / "000007", both_digitizers(), document))


def test_empty_leftovers(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000))
    for name in ("000000_temp", "000000_post_temp", "000001_pre_temp"):
        (tmp_path / "000007" / name).mkdir()
    assert_clean(verify(tmp_path / "000007", both_digitizers(), document))


def test_run_without_data(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000)[:0])
    assert_clean(verify(tmp_path / "000007", both_digitizers(), document), "no_data")


def test_source_that_is_moved(tmp_path: Path) -> None:
    """The rate changes by a factor of 50 in the middle of a run, and back."""
    fast = [*range(1000, PERIOD, 1_000_000), *range(3 * PERIOD, 4 * PERIOD, 1_000_000)]
    slow = range(PERIOD, 3 * PERIOD, 50_000_000)
    records = np.concatenate([pulse(t, 0, 20) for t in sorted([*fast, *slow])])
    document = write_run(tmp_path, records)
    document["end"] = document["start"] + timedelta(seconds=4)
    assert_clean(verify(tmp_path / "000007", both_digitizers(), document))


def test_the_real_run(real_data: Path) -> None:
    """Its data are in order; that they are 2 chunks of a run of 1200 s is found, and nothing else.

    With an end that fits, nothing is found.
    """
    document = rundoc.from_json(json.loads((real_data / "rundoc_002240.json").read_text()))
    folder, one = real_data / "live_data" / "002240", both_digitizers()
    found = verify(folder, one, document)
    assert [(one["rule"], one["severity"]) for one in found.findings] == [("duration", "degraded")]
    assert found.n_records == 47_929
    document["end"] = document["start"] + timedelta(seconds=11)
    assert_clean(verify(folder, one, document))
