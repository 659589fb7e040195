"""Quiet runs, gaps, idle threads, late packets: complete runs pass, and losses are said.

The simulator follows redax's own writer, which drops records in such runs. ``XAMSFLOW_GOOD_RUNS``
sets how many runs are checked; ``make faults`` takes 200.
"""

import os
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from live_records import pulse, pulses, write_run
from xamsflow.redax.findings import Verdict
from xamsflow.redax.verification import Verification, verify_run
from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun, read_out, simulate, truth

N_RUNS = int(os.environ.get("XAMSFLOW_GOOD_RUNS", "20"))
LARGE = 0.01


def any_run(seed: int) -> SimulatedRun:
    """Return settings with 0.01 to 50 pulses per channel and chunk."""
    rng = random.Random(seed)
    chunk_length = rng.choice([0.05, 0.1, 0.2])
    duration = chunk_length * rng.uniform(1, 60)
    threads = rng.choice([None, 1, 2, 4, 8])
    idle_threads = rng.randint(0, (threads or 8) - 1) if rng.random() < 0.3 else 0
    gap = rng.uniform(0, duration)
    return SimulatedRun(
        number=seed,
        detector=detector.load(rng.choice(["xams", "xamsl", "xams_2021"])),
        seed=seed,
        duration=duration,
        rate=min(1000.0, 10 ** rng.uniform(-2, 1.7) / chunk_length),
        noise=1.0,
        threads=threads,
        idle_threads=idle_threads,
        board_fail_threads=rng.randint(0, min(1, idle_threads)),
        compressor=rng.choice(["lz4", "blosc", "none"]),
        chunk_length=chunk_length,
        chunk_overlap=chunk_length * rng.choice([0.03, 0.1, 0.3]),
        pulse_length=rng.choice([100, 500]),
        silence=(gap, gap + rng.choice([0, 0, 0.3]) * duration),
        buffered_chunks=rng.choice([1, 2, 2, 3]),
    )


def late(run: SimulatedRun) -> SimulatedRun:
    """Return the run with packets that come up to six chunks late."""
    rng = random.Random(run.seed)
    choices = {"late_fraction": rng.choice([0.001, 0.01]), "late_chunks": rng.uniform(0, 6)}
    return SimulatedRun(**vars(run) | choices)


def verify(run: SimulatedRun, live_data: Path) -> Verification:
    document = simulate(run, live_data)
    return verify_run(live_data / run.run_id, run.detector, document)


def estimates(found: Verification) -> list[int]:
    return [one["lost_records"] for one in found.findings if one["lost_records"]]


@pytest.mark.parametrize("seed", range(1, N_RUNS + 1))
def test_complete_runs_pass_and_losses_are_reported(tmp_path: Path, seed: int) -> None:
    run = any_run(seed)
    found = verify(run, tmp_path)
    on_disk, received = len(truth(run)), len(read_out(run))
    assert found.verdict is not Verdict.REJECT, found.findings
    assert found.n_records == on_disk
    if received - on_disk > LARGE * received:
        assert found.verdict is Verdict.DEGRADED or estimates(found), (run, found.findings)


@pytest.mark.parametrize("seed", range(1, N_RUNS // 2 + 1))
def test_late_packets_do_not_reject_a_run(tmp_path: Path, seed: int) -> None:
    run = late(any_run(seed))
    found = verify(run, tmp_path)
    assert found.verdict is not Verdict.REJECT, found.findings
    assert found.n_records == len(truth(run))


def test_estimates_are_right_on_average(tmp_path: Path) -> None:
    xamsl = detector.load("xamsl")
    quiet = {"chunk_length": 0.1, "chunk_overlap": 0.01, "duration": 3.0, "rate": 10.0}
    lost, said = 0, 0
    for seed in range(10):
        run = SimulatedRun(number=seed, seed=seed, detector=xamsl, threads=None, noise=1.0, **quiet)
        received, on_disk = read_out(run), truth(run)
        lost += len(received) - len(on_disk)
        found = verify(run, tmp_path)
        assert found.verdict is Verdict.DEGRADED
        said += sum(estimates(found))
    assert lost > 0.02 * len(received) * 10
    assert said == pytest.approx(lost, rel=0.5)


@pytest.mark.parametrize(("n_pulses", "verdict"), [(1, "degraded"), (100, "reject")])
def test_pulses_on_inputs_that_the_detector_does_not_have(
    tmp_path: Path, n_pulses: int, verdict: str
) -> None:
    """A few are left out and counted; many are of another detector, and it is said so."""
    records = np.concatenate(
        [pulses(*range(1000, 10**8, 10**6)), *(pulse(t * 10**6, 5, dt=2) for t in range(n_pulses))]
    )
    document = write_run(tmp_path, records)
    document["daq_config"]["boards"] = [{"board": 20, "type": "V1730"}]
    document["daq_config"]["channels"] = {"20": list(range(8))}
    document["end"] = document["start"] + timedelta(seconds=1)
    found = verify_run(tmp_path / "000007", detector.load("xamsl"), document)
    (left_out,) = [one for one in found.findings if one["rule"] == "T19"]
    assert found.verdict == left_out["severity"] == verdict
    assert "channels 5" in left_out["message"]
    assert left_out["lost_records"] == 2 * n_pulses


def test_an_input_that_is_not_enabled_is_no_excuse(tmp_path: Path) -> None:
    document = write_run(tmp_path, np.concatenate([pulses(1000), pulse(5000, 5, dt=2)]))
    found = verify_run(tmp_path / "000007", detector.load("xamsl"), document)
    assert [one["rule"] for one in found.findings if one["severity"] == "reject"] == ["T19"]
