from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun, read_out, truth
from xamsflow.simulate.formatter import Kind, part_of_chunk, parts, threads

XAMSL = detector.load("xamsl")
PERIOD = 5_500_000_000


@settings(derandomize=True)
@given(
    chunk=st.integers(0, 10_000),
    since=st.integers(0, PERIOD - 1) | st.sampled_from([0, 5 * 10**9 - 1, 5 * 10**9, PERIOD - 1]),
)
def test_a_record_belongs_to_the_part_in_which_it_begins(chunk, since):
    found, in_overlap = part_of_chunk(np.array([chunk * PERIOD + since]), 5 * 10**9, PERIOD)
    assert found == [chunk]
    assert in_overlap == [since >= 5 * 10**9]


def first_time_of_chunks(run):
    times: dict[int, int] = {}
    for part in parts(run):
        if part.kind is Kind.MAIN:
            times.setdefault(part.chunk, part.time)
    return times


@pytest.mark.parametrize("buffered_chunks", [1, 2, 3])
def test_a_chunk_is_written_when_the_mean_of_what_is_held_is_old_enough(buffered_chunks):
    run = SimulatedRun(
        932,
        XAMSL,
        duration=1.2,
        rate=3000,
        chunk_length=0.09,
        chunk_overlap=0.01,
        buffered_chunks=buffered_chunks,
    )
    times = first_time_of_chunks(run)
    waited = {chunk: time / run.period_ns - chunk for chunk, time in times.items()}
    at_stop = {chunk for chunk, time in times.items() if time == run.duration_ns}
    assert at_stop == set(range(12 - 2 * buffered_chunks, 12)) | at_stop
    for chunk in set(times) - at_stop:
        # Data of chunk k + 2B + 1 are just arriving, or those of k + 2B almost all there.
        assert waited[chunk] == pytest.approx(2 * buffered_chunks + 1, abs=0.35)


def test_latency_is_that_of_redax_with_its_usual_settings():
    run = SimulatedRun(932, XAMSL, duration=60, rate=20)
    times = first_time_of_chunks(run)
    # Measured for redax itself at constant rate: chunk 0 at 38.25 s, then one every 5.5 s.
    assert times[0] / 1e9 == pytest.approx(38.5, abs=2)
    assert np.diff([times[chunk] for chunk in range(4)]) / 1e9 == pytest.approx(5.5, abs=2)


def test_batches_go_to_the_threads_in_turn_and_idle_ones_get_none():
    run = SimulatedRun(932, XAMSL, duration=2, readers=2, threads=3, idle_threads=1)
    records = defaultdict(list)
    for part in parts(run):
        records[part.thread.reader, part.thread.number].append(part.records)
    assert set(records) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for (reader, number), found in records.items():
        together = np.concatenate(found)
        assert set(together["channel"]) == ({0, 1}, {2, 3})[reader]
        batch = (together["time"] - 20_000) // 100_000_000  # leaves the ends of pulses aside
        assert set(batch % 2) == {number}


def test_all_threads_idle_means_a_run_without_data():
    run = SimulatedRun(932, XAMSL, duration=2, threads=2, idle_threads=2)
    assert list(parts(run)) == []
    assert len(truth(run)) == 0


def test_an_overlap_without_a_main_part_is_lost():
    run = SimulatedRun(
        932, XAMSL, duration=60, rate=4, threads=2, chunk_length=0.1, chunk_overlap=0.1
    )
    seen: dict[object, dict[Kind, set[int]]] = defaultdict(lambda: defaultdict(set))
    for part in parts(run):
        if len(part.records):
            seen[part.thread][part.kind].add(part.chunk)
    assert len(seen) == 2
    for chunks in seen.values():
        assert chunks[Kind.OVERLAP] & chunks[Kind.MAIN]
        assert chunks[Kind.OVERLAP] - chunks[Kind.MAIN]  # written in a row with others
    received, written = read_out(run), truth(run)
    assert 0.1 < 1 - len(written) / len(received) < 0.5
    assert set(written["time"].tolist()) < set(received["time"].tolist())
    _, in_overlap = part_of_chunk(truth(run)["time"], run.chunk_ns, run.period_ns)
    assert 0 < in_overlap.mean() < 0.4  # it would be half of the records if none were lost


def test_thread_handles_are_stable_unique_and_look_like_those_of_pthreads():
    run = SimulatedRun(932, XAMSL, readers=2, threads=4)
    names = [thread.name for thread in threads(run)]
    assert names == [thread.name for thread in threads(run)]
    assert len(set(names)) == 8
    for name in names:
        process, _, handle = name.rpartition("_")
        assert process in ("xams-daq_reader_0", "xams-daq_reader_1")
        assert int(handle) & 0xFFF == 0x700
        assert 0x7F00_0000_0000 < int(handle) < 0x8000_0000_0000
    other = SimulatedRun(933, XAMSL, readers=2, threads=4)
    assert not set(names) & {thread.name for thread in threads(other)}
