"""Where strax data are stored: strax's own folders and files, read and written beside the work.

Reading and writing a chunk takes about as long as making it. Here threads of their own do it while
another chunk is made: the libraries release Python's lock. What is stored can be read with a
plain ``strax.DataDirectory``.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import blosc
import numpy as np
import strax

from xamsflow.base import system_errors
from xamsflow.base.errors import BadDataError, TransientError
from xamsflow.data import strax_private
from xamsflow.data.ahead import one_ahead

MAX_PENDING = 2
"""Chunks that wait for being written, at most: so many more are in memory at a time."""

SAMPLE = np.dtype(np.int16)
"""What a waveform's samples are; their high bytes hardly differ, so bytes are sorted by place."""


class DataDirectory(strax.DataDirectory):  # type: ignore[misc]  # strax has no types
    """A folder of strax data whose chunks are written in the background."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self.backends = [_Backend()]


class _Backend(strax_private.Backend):
    def make_saver(self, dirname: str, metadata: dict[str, Any], **options: Any) -> "_Saver":
        """Return what writes a folder, unless somebody else has just written it."""
        Path(dirname).parent.mkdir(parents=True, exist_ok=True)
        # strax has looked before, but on a shared disk another node's folder may be seen late, and
        # what it finds there now it would remove.
        if Path(dirname).exists() and _is_complete(self.get_metadata(dirname)):
            raise TransientError(f"{dirname} has just been made by another job", "start again")
        return _Saver(dirname, metadata=metadata, **options)

    def read_chunk(
        self, dirname: str, chunk_info: dict[str, Any], dtype: Any, compressor: str
    ) -> np.ndarray[Any, Any]:
        """Return the data of a file; an error says what a person can do about it."""
        file = Path(dirname, chunk_info["filename"])
        try:
            return super().read_chunk(dirname, chunk_info, dtype, compressor)
        except (strax.DataCorrupted, OSError) as error:
            cause = error if isinstance(error, OSError) else error.__context__
            if isinstance(cause, OSError):
                raise system_errors.cannot("read", file, cause) from error
            raise BadDataError(
                f"{file} cannot be decoded, it is not what was written",
                "move its folder aside, then process the run again",
            ) from error

    def loader(self, *args: Any, **options: Any) -> Iterator[strax.Chunk]:
        """Yield chunks, each read while the one before it is worked on."""
        yield from one_ahead(super().loader(*args, **options), "reader")


class _Saver(strax_private.Saver):
    def __init__(self, dirname: str, metadata: dict[str, Any], **options: Any) -> None:
        super().__init__(dirname, metadata, **options)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: deque[Future[None]] = deque()

    def save_chunk(self, data: np.ndarray[Any, Any], chunk_info: dict[str, Any]) -> None:
        """Have a chunk written; raises what went wrong with those before it."""
        while len(self._pending) >= MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._writer.submit(self._write, data, chunk_info))

    def _write(self, data: np.ndarray[Any, Any], chunk_info: dict[str, Any]) -> None:
        path = Path(self.tempdirname, chunk_info["filename"])
        compressor = self.md["compressor"]
        if compressor != "blosc" or not _has_samples(data):
            chunk_info["filesize"] = strax.save_file(str(path), data, compressor)
            return
        compressed = blosc.compress(
            np.ascontiguousarray(data),
            typesize=SAMPLE.itemsize,
            clevel=5,
            shuffle=blosc.SHUFFLE,
            cname="lz4",
        )
        chunk_info["filesize"] = path.write_bytes(compressed)

    def close(self, wait_for: Iterable[Any] = ()) -> None:
        """End the folder when everything is written; an error in that leaves it unfinished."""
        try:
            while self._pending:
                self._pending.popleft().result()
        finally:
            self._writer.shutdown()
        super().close(wait_for)


def _is_complete(metadata: dict[str, Any]) -> bool:
    return "writing_ended" in metadata and "exception" not in metadata


def _has_samples(data: np.ndarray[Any, Any]) -> bool:
    return "data" in (data.dtype.names or ()) and data.dtype["data"].base == SAMPLE
