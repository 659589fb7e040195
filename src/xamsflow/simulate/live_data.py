"""Folders and files of a simulated run, as redax writes them to disk."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc
import lz4.frame
from numpy.typing import NDArray

from xamsflow.base import system_errors
from xamsflow.base.errors import ConfigurationError
from xamsflow.simulate.boards import boards
from xamsflow.simulate.document import document_at_start, what_the_end_adds
from xamsflow.simulate.formatter import Kind, Part, parts
from xamsflow.simulate.sensors import sensors
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.truth_file import TruthFile

THE_END = b"...my only friend\n"


@dataclass(frozen=True)
class WrittenFile:
    """A file that has just been moved into place; `time` is ns since the run's start."""

    time: int
    path: Path


class LiveRun:
    """A run that is being taken: each step of its iterator writes one file.

    `document` is the run document as of now; its ``end`` is None until the iterator is exhausted.
    Stopping earlier leaves the same files as a crash of the DAQ.
    """

    def __init__(
        self,
        settings: SimulatedRun,
        live_data: Path,
        wait_until: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Create the run's folder in `live_data`.

        `wait_until` is called with the time of each part (ns since the run's start) before the part
        is written. Raises ConfigurationError if the folder exists or cannot be created.
        """
        folder = _RunFolder(settings, live_data)
        self.document = document_at_start(settings, live_data)
        self._files = self._take(settings, live_data, folder, wait_until)

    def __iter__(self) -> Iterator[WrittenFile]:
        return self._files

    def _take(
        self,
        settings: SimulatedRun,
        live_data: Path,
        folder: "_RunFolder",
        wait_until: Callable[[int], None],
    ) -> Iterator[WrittenFile]:
        with TruthFile(settings, live_data) as truth:
            for part in parts(settings, truth.append):
                wait_until(part.time)
                for path in folder.write(part):
                    yield WrittenFile(part.time, path)
        wait_until(settings.duration_ns)
        self.document.update(what_the_end_adds(settings, folder.bytes_by_chunk))


def simulate(settings: SimulatedRun, live_data: Path) -> dict[str, Any]:
    """Write a run that has ended to ``<live_data>/<run_id>`` and return its run document.

    With physics, the truth is in ``<live_data>/truth_<run_id>.npz``, see :func:`load_signals`.
    As in redax, memory holds up to twice the buffered chunks plus one. Raises ConfigurationError if
    the folder exists or cannot be created.
    """
    folder = _RunFolder(settings, live_data)
    with TruthFile(settings, live_data) as truth:
        for part in parts(settings, truth.append):
            for _ in folder.write(part):
                pass
    document = document_at_start(settings, live_data)
    return document | what_the_end_adds(settings, folder.bytes_by_chunk)


class _RunFolder:
    """The folder of a run; parts are written to it in the same way as by redax."""

    def __init__(self, settings: SimulatedRun, live_data: Path) -> None:
        boards(settings)  # raises errors before the folder is made
        if settings.physics is not None:
            sensors(settings.detector, settings.number, settings.physics)  # likewise
        self.bytes_by_chunk: Counter[int] = Counter()
        self._compressor = settings.framing
        self._folder = live_data / settings.run_id
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            if self._folder.exists():
                raise ConfigurationError(
                    f"{self._folder} exists", "choose another run number or folder"
                ) from error
            raise system_errors.cannot("write", self._folder, error) from error

    def write(self, part: Part) -> Iterator[Path]:
        """Write a part's files one by one; post and the next pre have the same bytes."""
        self.bytes_by_chunk[part.chunk] += part.records.nbytes
        name = part.thread.name
        if part.kind is Kind.THE_END:
            yield self._write_in_place("THE_END", name, THE_END)
        elif not len(part.records):
            for folder in _folders(part):
                yield self._write_in_place(folder, name, b"")
        else:
            content = compress(part.records, self._compressor)
            for folder in _folders(part):
                yield self._write_and_rename(folder, name, content)

    def _write_and_rename(self, folder: str, name: str, content: bytes) -> Path:
        written = self._write_in_place(f"{folder}_temp", name, content)
        path = self._folder / folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            return written.rename(path)
        except OSError as error:
            raise system_errors.cannot("write", path, error) from error

    def _write_in_place(self, folder: str, name: str, content: bytes) -> Path:
        path = self._folder / folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise system_errors.cannot("write", path, error) from error
        return path


def compress(records: NDArray[Any], compressor: str) -> bytes:
    """Return records in redax's framing.

    redax runs blosc with two threads, which makes the order of blocks random; a single thread
    always produces the same one of these orders.
    """
    raw = records.tobytes()
    if compressor == "blosc":
        threads = blosc.set_nthreads(1)
        try:
            framed: bytes = blosc.compress(
                raw, typesize=1, clevel=5, shuffle=blosc.SHUFFLE, cname="lz4"
            )
        finally:
            blosc.set_nthreads(threads)
    else:
        framed = lz4.frame.compress(
            raw,
            compression_level=0,
            block_size=lz4.frame.BLOCKSIZE_MAX256KB,
            block_linked=True,
            store_size=False,
        )
    return framed


def _folders(part: Part) -> list[str]:
    if part.kind is Kind.MAIN:
        return [f"{part.chunk:06d}"]
    return [f"{part.chunk:06d}_post", f"{part.chunk + 1:06d}_pre"]
