"""Chunks of a run that is being taken, handed out as redax completes them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xamsflow.base.errors import BadDataError
from xamsflow.redax import rundoc
from xamsflow.redax.findings import Findings
from xamsflow.redax.folder import survey
from xamsflow.redax.growing import Growing
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun, WrittenFile


class Taking:
    """A run of five chunks that is taken: each call of :meth:`bring` lets a few files come."""

    def __init__(self, live_data: Path, files_at_a_time: int = 1, **settings: Any) -> None:
        taking = {"duration": 2.7, "rate": 50.0, "chunk_length": 0.5, "chunk_overlap": 0.05}
        run = SimulatedRun(number=7, detector=detector.load("xamsl"), **{**taking, **settings})
        self.live = LiveRun(run, live_data)
        self.files: Iterator[WrittenFile] = iter(self.live)
        self.files_at_a_time = files_at_a_time
        self.folder = live_data / "000007"
        self.n_brought = 0
        readers = rundoc.parse(self.live.document).readers
        self.growing = Growing(self.folder, readers, self.bring)
        self.readers = readers

    def bring(self) -> int | None:
        for _ in range(self.files_at_a_time):
            if next(self.files, None) is None:
                run = rundoc.parse(self.live.document)
                assert run.end is not None
                return run.end - run.start
            self.n_brought += 1
        return None

    def take(self, first: int = 0) -> int:
        """Ask for chunks up to the last one and read them; return how many there are behind it."""
        number = first
        while (chunk := self.growing.chunk(number)) is not None:
            for file in chunk.main.values():
                self.growing.read(file)
            number += 1
        return number


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("files_at_a_time", [1, 2, 7, 1000])
def test_chunks_equal_those_of_the_finished_run(
    tmp_path: Path, threads: int, files_at_a_time: int
) -> None:
    taking = Taking(tmp_path, files_at_a_time, threads=threads)
    n_chunks = taking.take()
    found = survey(taking.folder, taking.readers, Findings("000007"))
    chunks = [taking.growing.chunk(number) for number in range(n_chunks)]
    assert chunks == list(found.chunks)
    assert [taking.growing.is_last(number) for number in range(n_chunks)] == [
        *[False] * (n_chunks - 1),
        True,
    ]
    assert taking.growing.ended() == found
    assert taking.growing.duration == 2_700_000_000
    assert sorted(taking.growing.checksums) == sorted(
        str(file.relative_to(taking.folder))
        for chunk in found.chunks
        for file in chunk.main.values()
    )


@pytest.mark.parametrize(("threads", "seed"), [(2, 2), (4, 0)])
def test_an_empty_main_part_beside_an_overlap_with_data(
    tmp_path: Path, threads: int, seed: int
) -> None:
    quiet = {"rate": 2, "duration": 4.0, "chunk_overlap": 0.2, "buffered_chunks": 0}
    taking = Taking(tmp_path, threads=threads, seed=seed, **quiet)
    n_chunks = taking.take()
    chunks = [taking.growing.chunk(number) for number in range(n_chunks)]
    found = survey(taking.folder, taking.readers, Findings("000007"))
    assert any(
        chunk.main[name].stat().st_size == 0 and overlap.post and overlap.post.stat().st_size
        for chunk in found.chunks
        for name, overlap in chunk.overlap.items()
        if name in chunk.main
    )
    assert chunks == list(found.chunks)
    assert taking.growing.ended() == found


def test_chunks_arrive_before_the_end(tmp_path: Path) -> None:
    taking = Taking(tmp_path, buffered_chunks=0)
    assert taking.growing.chunk(0) is not None
    # Main part, overlap and its copy; and the first file of the next chunk.
    assert taking.n_brought == 4
    assert not taking.growing.is_last(0)
    assert taking.growing.duration is None


def test_a_chunk_is_not_the_last_one_if_no_end_follows(tmp_path: Path) -> None:
    taking = Taking(tmp_path, buffered_chunks=0)
    for _ in range(3):  # main part, overlap and its copy
        next(taking.files)
    taking.growing._bring = lambda: None
    assert taking.growing.chunk(0) is not None
    assert not taking.growing.is_last(0)


def test_an_end_that_comes_late_is_noticed(tmp_path: Path) -> None:
    taking = Taking(tmp_path, files_at_a_time=1000, duration=2.74)  # it ends in an overlap
    duration = taking.bring()
    end = (taking.folder / "THE_END").rename(tmp_path / "late")

    def bring() -> int | None:
        if len(taking.growing._taken) < 5:
            return None
        end.rename(taking.folder / "THE_END")
        return duration

    taking.growing._bring = bring
    with pytest.raises(BadDataError, match="chunk 4 was read before the run's end was seen"):
        taking.take()


def test_a_thread_without_data_delays_chunks_until_the_end(tmp_path: Path) -> None:
    taking = Taking(tmp_path, buffered_chunks=0, threads=2, idle_threads=1)
    assert taking.growing.chunk(0) is not None
    assert taking.growing.duration is not None


def test_a_run_without_data_has_none(tmp_path: Path) -> None:
    taking = Taking(tmp_path, threads=1, idle_threads=1)
    with pytest.raises(BadDataError, match="no data"):
        taking.growing.chunk(0)


def test_a_file_that_is_written_again_is_noticed(tmp_path: Path) -> None:
    taking = Taking(tmp_path, buffered_chunks=0)
    first = taking.growing.chunk(0)
    assert first is not None
    (file,) = first.main.values()
    again = file.with_name("again")
    again.write_bytes(file.read_bytes())
    # The kernel's clock tick may be longer than this test.
    later = file.stat().st_mtime_ns + 1_000_000
    os.utime(again, ns=(later, later))
    again.replace(file)
    taking.take(1)
    with pytest.raises(BadDataError, match=r"000000/\S+ was rewritten after it was read"):
        taking.growing.ended()


def test_a_file_that_comes_late_is_noticed(tmp_path: Path) -> None:
    taking = Taking(tmp_path, buffered_chunks=0)
    taking.take()
    late = taking.folder / "000001_post"
    (copy,) = late.iterdir()
    (taking.folder / "000001_post" / f"{copy.name}0").write_bytes(b"")
    found = taking.growing
    found._whole = survey(
        taking.folder, {copy.name.rpartition("_")[0]: 2}, Findings("7", stop=False)
    )
    with pytest.raises(BadDataError, match="new files in chunks that were already read"):
        found.ended()


def test_unusual_runs_are_left_to_the_full_check(tmp_path: Path) -> None:
    taking = Taking(tmp_path)
    (taking.folder / "notes.txt").write_text("not from redax")
    with pytest.raises(BadDataError, match=r"notes\.txt"):
        taking.take()
