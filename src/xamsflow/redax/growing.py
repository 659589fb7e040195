"""A run that is being taken: its chunks, one after the other, as the DAQ completes them.

A thread writes its parts of a chunk in the order main part, overlap, copy of the overlap, and all
of them in every chunk before its last one. So a chunk is complete when each configured thread has
written all three. One that never gets data writes nothing; with such a thread no chunk is complete
before the run's end.

redax may write a file again when data come late. What was read before is then wrong, which is found
out at the end; so is everything else that is not as it should be. The run is then to be read again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from xamsflow.base.errors import BadDataError
from xamsflow.redax import files
from xamsflow.redax.findings import NOTE, Findings, Verdict
from xamsflow.redax.folder import MAIN, POST, PRE, Chunk, LiveData, Overlap, survey

_State = tuple[int, int]
"""A file's size and the time of its last change."""


class Growing:
    """The chunks of a run in `folder`, into which `bring` brings what the DAQ has written.

    `bring` takes its time; it returns the run's duration in ns when the run has ended and all of it
    is there, before that None. `readers` maps a reader's name to its number of threads.

    `duration` is known when the run has ended. `checksums` are SHA-256 of the files that were read,
    by path within the folder.
    """

    def __init__(
        self, folder: Path, readers: Mapping[str, int], bring: Callable[[], int | None]
    ) -> None:
        self.duration: int | None = None
        self.checksums: dict[str, str] = {}
        self._folder = folder
        self._readers = readers
        self._bring = bring
        self._taken: list[Chunk] = []
        self._seen: dict[Path, _State] = {}
        self._whole: LiveData | None = None

    def chunk(self, number: int) -> Chunk | None:
        """Return a chunk when it is complete and is known to be the last or not.

        None after the last one. Chunks are asked for in order.
        """
        if number < len(self._taken):
            return self._taken[number]
        while self._whole is None:
            if (chunk := self._complete(number)) is not None and self._goes_on(number):
                return self._take(chunk)
            self.duration = self._bring()
            if self.duration is not None:
                self._whole = self._survey()
        after_end = self._whole.chunk(number)
        return None if after_end is None else self._take(after_end)

    def is_last(self, number: int) -> bool:
        """Tell whether no chunk follows one that was handed out."""
        return self._whole is not None and self._whole.is_last(number)

    def read(self, file: Path) -> bytes:
        """Return the content of a file; raises as :func:`xamsflow.redax.files.read` does."""
        content = files.read(file)
        self.checksums[str(file.relative_to(self._folder))] = hashlib.sha256(content).hexdigest()
        return content

    def ended(self) -> LiveData:
        """Return the run as it is at its end.

        Raises BadDataError where what was handed out is not what is there now.
        """
        assert self._whole is not None
        changed = [path for path, state in self._seen.items() if _state(path) != state]
        if changed:
            raise BadDataError(f"{changed[0]} was written again after it was read")
        if self._whole.chunks != tuple(self._taken):
            raise BadDataError(f"{self._folder} has got more files in chunks that were read before")
        return self._whole

    def refuse_unless_clean(self, findings: Findings) -> None:
        """Raise BadDataError where anything is wrong with the run, now that all of it was read."""
        if findings.verdict is not Verdict.CLEAN:
            wrong = next(one for one in findings.listed if one["severity"] != NOTE)
            raise BadDataError(f"{wrong['rule']}: {wrong['message']}")

    def _survey(self) -> LiveData:
        """Look at the whole run; anything that is wrong with it is for those who read all of it."""
        findings = Findings(self._folder.name)
        found = survey(self._folder, self._readers, findings)
        if findings.listed or found.before_start:
            listed = [one["message"] for one in findings.listed] or ["000000_pre is there"]
            raise BadDataError(f"not all files are as they should be: {listed[0]}")
        return found

    def _take(self, chunk: Chunk) -> Chunk:
        self._taken.append(chunk)
        self._seen |= {path: _state(path) for path in _paths(chunk)}
        return chunk

    def _complete(self, number: int) -> Chunk | None:
        main, post, pre = (
            self._files(number, MAIN),
            self._files(number, POST),
            self._files(number + 1, PRE),
        )
        if not len(main) == len(post) == len(pre) == sum(self._readers.values()):
            return None
        return Chunk(main, {name: Overlap(post.get(name), pre.get(name)) for name in sorted(post)})

    def _goes_on(self, number: int) -> bool:
        return any(self._files(number + 1, kind) for kind in (MAIN, POST))

    def _files(self, number: int, kind: str) -> dict[str, Path]:
        folder = self._folder / f"{number:06d}{kind}"
        return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def _paths(chunk: Chunk) -> Iterator[Path]:
    yield from chunk.main.values()
    for overlap in chunk.overlap.values():
        yield from (path for path in (overlap.post, overlap.pre) if path is not None)


def _state(path: Path) -> _State:
    about = path.stat()
    return about.st_size, about.st_mtime_ns
