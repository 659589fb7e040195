"""Stored data types, read chunk by chunk, for modules that do not use strax."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

Array = npt.NDArray[Any]


def endtime(intervals: Array) -> npt.NDArray[np.int64]:
    """Return the end times of records, peaks or events, ns since the epoch."""
    ends: npt.NDArray[np.int64] = strax.endtime(intervals)
    return ends


class Stored:
    """A data type on disk."""

    _backend = strax.FileSytemBackend()

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = str(path)
        self.metadata: Mapping[str, Any] = self._backend.get_metadata(self.path)

    def chunks(self, **selection: Any) -> Iterator[strax.Chunk]:
        """Yield the chunks; `selection` is passed to strax's loader."""
        return iter(self._backend.loader(self.path, **selection))

    def chunk(self, number: int) -> strax.Chunk:
        """Return one chunk."""
        (chunk,) = self.chunks(chunk_number=number)
        return chunk
