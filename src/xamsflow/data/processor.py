"""strax's single-threaded processor, which joins small chunks for a file only once.

strax joins each chunk with all data that it has gathered for the next file, so it copies them many
times, field by field. Here they are joined when they fill a file, with the same result.

strax's threaded processor is slower when compression is the bottleneck, and after a signal that
ends the job it waits for its threads until the batch system kills it.
"""

from typing import Any

import strax
from strax.processors.base import ProcessorComponents
from strax.processors.single_thread import SaverSpy


class Processor(strax.SingleThreadProcessor):  # type: ignore[misc]  # strax has no types
    """The processor that computes all data types of a run."""

    def __init__(
        self,
        components: ProcessorComponents,
        allow_rechunk: bool = True,
        is_superrun: bool = False,
        **options: Any,
    ) -> None:
        without_savers = components._replace(savers={})
        super().__init__(without_savers, allow_rechunk, is_superrun, **options)
        self.components = components
        built = {name: plugin for plugin in components.plugins.values() for name in plugin.provides}
        for name, savers in components.savers.items():
            joins = built[name].can_rechunk(name) if name in built else is_superrun
            for saver in savers:
                spy = SaverSpy(saver)
                spy.rechunker = Rechunker(joins and allow_rechunk, saver.md["run_id"])
                self.post_office.register_spy(spy, topic=name)


class Rechunker(strax.Rechunker):  # type: ignore[misc]
    """Joins chunks for a file, and divides them, as strax does."""

    cache: strax.Chunk

    def __init__(self, rechunk: bool, run_id: str) -> None:
        super().__init__(rechunk, run_id)
        self._gathered: list[strax.Chunk] = []
        self._n_bytes = 0

    def receive(self, chunk: strax.Chunk) -> list[strax.Chunk]:
        """Take a chunk; return the chunks to be written."""
        if not self.rechunk:
            return [chunk]
        self._gather(chunk)
        if self._n_bytes <= chunk.target_size_mb * 1e6:
            return []
        full: list[strax.Chunk] = super().receive(self._join())
        self._gather(self.cache)
        self.cache = None
        return full

    def flush(self) -> list[strax.Chunk]:
        """Return the remaining data in one chunk."""
        return [self._join()] if self._gathered else []

    def _gather(self, chunk: strax.Chunk) -> None:
        self._gathered.append(chunk)
        self._n_bytes += chunk.nbytes

    def _join(self) -> strax.Chunk:
        joined = strax.Chunk.concatenate(self._gathered, allow_superrun=self.is_superrun)
        self._gathered, self._n_bytes = [], 0
        return joined
