"""A run that is being taken: its chunks, one by one, as the DAQ completes them.

A thread writes its parts of a chunk in this order: main part, overlap, copy of the overlap. A chunk
is complete when each configured thread has written all three. A quiet thread may write fewer parts,
and a thread without data none; such a chunk is handed out only after the run ends.

While a run goes on, redax writes a chunk because data of later chunks have arrived; when it stops,
it writes the remaining chunks and, at once, `THE_END`. So a complete chunk without `THE_END` behind
it is not the last one. Should `THE_END` be late, this is detected, too.

redax may rewrite a file when data arrive late, so the earlier contents were wrong. This, like any
other fault, is detected at the end, and then the run must be read again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from xamsflow.base.errors import BadDataError
from xamsflow.redax import files
from xamsflow.redax.findings import NOTE, Findings, Verdict
from xamsflow.redax.folder import Chunk, LiveData, Overlap, survey
from xamsflow.redax.listing import MAIN, POST, PRE, THE_END

_State = tuple[int, int]
"""A file's size and modification time."""


class Growing:
    """The chunks of a run in `folder`, to which `bring` transfers what the DAQ has written.

    `bring` may take a while; it returns None until the run has ended and been transferred
    completely, then the run's duration in ns. `readers` maps a reader's name to its number of
    threads.

    `duration` is known when the run has ended. `checksums` are the SHA-256 of all files read, by
    path within the folder.
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
        """Return a chunk once it is complete and known to be the last one or not.

        Returns None after the last chunk. Chunks must be requested in order.
        """
        if number < len(self._taken):
            return self._taken[number]
        was_complete = False
        while self._whole is None:
            chunk = self._complete(number)
            if chunk is not None and self._goes_on(number, was_complete=was_complete):
                return self._take(chunk)
            was_complete = chunk is not None
            self.duration = self._bring()
            if self.duration is not None:
                self._whole = self._survey()
                if number and self._whole.is_last(number - 1):
                    raise BadDataError(f"chunk {number - 1} was read before the run's end was seen")
        after_end = self._whole.chunk(number)
        return None if after_end is None else self._take(after_end)

    def is_last(self, number: int) -> bool:
        """Return whether a chunk that was returned is the last one."""
        return self._whole is not None and self._whole.is_last(number)

    def read(self, file: Path) -> bytes:
        """Return the content of a file; raises as :func:`xamsflow.redax.files.read` does."""
        content = files.read(file)
        self.checksums[str(file.relative_to(self._folder))] = hashlib.sha256(content).hexdigest()
        return content

    def ended(self) -> LiveData:
        """Return the run as of its end.

        Raises BadDataError if files have changed since they were returned.
        """
        assert self._whole is not None
        changed = [path for path, state in self._seen.items() if _state(path) != state]
        if changed:
            raise BadDataError(f"{changed[0]} was rewritten after it was read")
        if self._whole.chunks != tuple(self._taken):
            raise BadDataError(f"{self._folder} has new files in chunks that were already read")
        return self._whole

    def refuse_unless_clean(self, findings: Findings) -> None:
        """Raise BadDataError if anything is wrong with the run, after all of it was read."""
        if findings.verdict is not Verdict.CLEAN:
            wrong = next(one for one in findings.listed if one["severity"] != NOTE)
            raise BadDataError(f"{wrong['rule']}: {wrong['message']}")

    def _survey(self) -> LiveData:
        """List all files of the run; any fault requires reading the whole run again."""
        findings = Findings(self._folder.name)
        found = survey(self._folder, self._readers, findings)
        if findings.listed or found.before_start:
            listed = [one["message"] for one in findings.listed] or ["000000_pre exists"]
            raise BadDataError(f"the run's files are not in order: {listed[0]}")
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

    def _goes_on(self, number: int, *, was_complete: bool) -> bool:
        """Return whether a chunk, perhaps complete before the newest files, is not the last."""
        if any(self._files(number + 1, kind) for kind in (MAIN, POST)):
            return True
        return was_complete and not (self._folder / THE_END).exists()

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
