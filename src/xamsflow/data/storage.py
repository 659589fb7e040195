"""Storage of strax data in strax's format, with reading and writing in the background.

Reading and writing a chunk takes about as long as computing it. Separate threads do it while
another chunk is being computed, because the libraries release Python's lock. A plain
``strax.DataDirectory`` can read the stored data.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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
"""Maximum number of chunks that wait to be written; they add to the memory in use."""

SAMPLE = np.dtype(np.int16)
"""The type of a waveform's samples. Their high bytes hardly differ, so blosc shuffles the bytes."""


class DataDirectory(strax.DataDirectory):  # type: ignore[misc]  # strax has no types
    """A folder of strax data whose chunks are written in the background."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self.backends = [Backend()]

    def run_metadata(self, run_id: str, projection: Any = None) -> dict[str, Any]:
        """Return the run metadata in this folder."""
        try:
            metadata: dict[str, Any] = super().run_metadata(run_id, projection)
        except strax.RunMetadataNotAvailable as error:
            raise strax.DataNotAvailable(str(error)) from error  # strax then asks other storage
        except ValueError as error:
            raise BadDataError(
                f"run {run_id}: the run metadata in {self.path} cannot be read ({error})",
                f"`xamsflow reconcile {run_id} --repair` writes them again",
            ) from error
        return metadata


class DefinedRuns(strax_private.RunDefinitions):
    """Superruns that are defined in this process and not written to disk."""

    storage_type = strax.StorageType.MEMORY  # asked first

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, dict[str, Any]] = {}

    def write_run_metadata(self, run_id: str, metadata: dict[str, Any]) -> None:
        """Keep the definition of a superrun."""
        self._runs[run_id] = {"name": run_id, **metadata}

    def run_metadata(self, run_id: str, projection: Any = None) -> dict[str, Any]:
        """Return the definition of a superrun."""
        if run_id not in self._runs:
            raise strax.DataNotAvailable(f"{run_id} was not defined here")
        found = strax.flatten_run_metadata(self._runs[run_id])
        return {key: found[key] for key in found if projection is None or key in projection}

    def scan_runs(self, store_fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the definitions of all superruns, reduced to these fields."""
        return (self.run_metadata(run_id, store_fields) for run_id in self._runs)


class Backend(strax_private.Backend):
    """Strax's storage in folders of files, with clear errors and background writing."""

    def make_saver(self, dirname: str, metadata: dict[str, Any], **options: Any) -> "_Saver":
        """Return a saver for a folder, unless another job has just written that folder."""
        Path(dirname).parent.mkdir(parents=True, exist_ok=True)
        # strax has already checked, but on a shared disk a folder from another node may appear
        # late, and strax would now remove it.
        if Path(dirname).exists() and _is_complete(self.get_metadata(dirname)):
            raise TransientError(f"another job created {dirname} in the meantime", "start again")
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
                f"{file} cannot be decoded: its content is not what was written",
                "move its folder aside, then process the run again",
            ) from error

    def loader(self, *args: Any, **options: Any) -> Iterator[strax.Chunk]:
        """Yield chunks; each is read while the previous one is being processed."""
        yield from one_ahead(super().loader(*args, **options), "reader")


class _Saver(strax_private.Saver):
    def __init__(self, dirname: str, metadata: dict[str, Any], **options: Any) -> None:
        super().__init__(dirname, metadata, **options)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: deque[Future[None]] = deque()

    def save_chunk(self, data: np.ndarray[Any, Any], chunk_info: dict[str, Any]) -> None:
        """Queue a chunk for writing; raises the errors of earlier chunks."""
        while len(self._pending) >= MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._writer.submit(self._write, data, chunk_info))

    def _write(self, data: np.ndarray[Any, Any], chunk_info: dict[str, Any]) -> None:
        path = Path(self.tempdirname, chunk_info["filename"])
        compressor = self.md["compressor"]
        if compressor != "blosc":
            chunk_info["filesize"] = strax.save_file(str(path), data, compressor)
            return
        if data.nbytes >= blosc.MAX_BUFFERSIZE:  # blosc would return nothing, without an error
            raise BadDataError(
                f"a chunk of {data.nbytes / 1e9:.1f} GB cannot be stored in {path.name}, because "
                f"blosc compresses {blosc.MAX_BUFFERSIZE / 1e9:.1f} GB at most",
                "take runs with a shorter strax_chunk_length",
            )
        has_samples = _has_samples(data)
        compressed = blosc.compress(
            np.ascontiguousarray(data),
            typesize=SAMPLE.itemsize,
            clevel=5 if has_samples else 9,
            shuffle=blosc.SHUFFLE if has_samples else blosc.NOSHUFFLE,
            cname="lz4",
        )
        chunk_info["filesize"] = path.write_bytes(compressed)

    def close(self, wait_for: Iterable[Any] = ()) -> None:
        """Finish the folder once everything is written; after an error it stays unfinished."""
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
