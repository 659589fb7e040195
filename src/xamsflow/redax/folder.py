"""The files of a run.

For chunk number k, a run's folder contains the main part ``k``, the subsequent overlap ``k_post``,
and ``(k+1)_pre``, a copy of this overlap. Each formatter thread of each reader writes a separate
file, ``<reader>_<thread>``, to each of them, and last of all one to ``THE_END``. A thread has these
parts:

- all parts before its last chunk, with empty files for those without data;
- in its last chunk only those with data;
- none at all if it never received any data.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.base.errors import TransientError
from xamsflow.redax.files import read
from xamsflow.redax.findings import DEGRADED, REJECT, Findings
from xamsflow.redax.listing import MAIN, POST, PRE, THE_END, Listing

_FOLDER_NAME = re.compile(r"(\d{6})(_pre|_post|)(_temp|)", flags=re.ASCII)
_NEGATIVE_NAME = re.compile(r"0*-\d+(_pre|_post|)(_temp|)", flags=re.ASCII)
_THREAD = re.compile(r"(.+)_\d+", flags=re.ASCII)

_Key = tuple[int, str]
"""Chunk number and kind of part."""


@dataclass(frozen=True)
class Overlap:
    """A thread's file of an overlap and its copy; one of them may be missing."""

    post: Path | None
    pre: Path | None


@dataclass(frozen=True)
class Chunk:
    """The files of a chunk by thread; `overlap` follows the main part."""

    main: Mapping[str, Path]
    overlap: Mapping[str, Overlap]


@dataclass(frozen=True)
class LiveData:
    """The files of a run, chunk by chunk, and the threads that wrote them.

    `silent_threads` have a file in ``THE_END`` and no other.
    """

    folder: Path
    chunks: tuple[Chunk, ...]
    threads: tuple[str, ...]
    silent_threads: tuple[str, ...]
    before_start: tuple[Path, ...]
    """Files in ``000000_pre``, which should not exist."""

    def chunk(self, number: int) -> Chunk | None:
        """Return a chunk, or None after the last one."""
        return self.chunks[number] if number < len(self.chunks) else None

    def is_last(self, number: int) -> bool:
        """Return whether no chunk follows."""
        return number >= len(self.chunks) - 1

    def read(self, file: Path) -> bytes:
        """Return the content of one of the files; raises as xamsflow.redax.files.read does."""
        return read(file)

    def ended(self) -> "LiveData":
        """Return the run as of its end, which is this object."""
        return self

    @property
    def lacks_last_copy(self) -> bool:
        """Whether a copy of the last overlap is missing; reading does not require this copy.

        The DAQ always writes it, so later chunks may be missing as well.
        """
        return any(
            overlap.pre is None for chunk in self.chunks[-1:] for overlap in chunk.overlap.values()
        )


def survey(folder: Path, readers: Mapping[str, int] | None, findings: Findings) -> LiveData:
    """Return the files of a run that has ended, after checking for missing files.

    `readers` maps a reader's name to its number of threads; None allows any reader. Raises
    TransientError if the run is not there, ConfigurationError if access to it is denied.
    """
    parts = _parts(folder, findings)
    finished = parts.pop((-1, THE_END), None)
    before_start = parts.pop((0, PRE), {})
    for files in (*parts.values(), finished or {}):
        _check_names(files, readers, findings)
    threads = sorted(set().union(*parts.values()))
    _check_threads(folder, {*threads, *(finished or ())}, readers, findings)
    n_chunks = _n_chunks(parts)
    _check_end(folder, threads, finished, n_chunks, findings)
    _check_parts(folder, parts, findings)
    empty: dict[str, Path] = {}
    chunks = []
    for number in range(n_chunks):
        post, pre = parts.get((number, POST), empty), parts.get((number + 1, PRE), empty)
        overlap = {name: Overlap(post.get(name), pre.get(name)) for name in sorted({*post, *pre})}
        main = dict(sorted(parts.get((number, MAIN), empty).items()))
        chunks.append(Chunk(main, overlap))
    silent = sorted(set(finished or ()) - set(threads))
    return LiveData(
        folder, tuple(chunks), tuple(threads), tuple(silent), tuple(before_start.values())
    )


def check_listing(folder: Path, listing: Listing, run_id: str) -> None:
    """Raise BadDataError if the listing of an ended run's folder shows that parts are missing."""
    parts: dict[_Key, dict[str, Path]] = {}
    for path in (*listing.folders, *listing.files):
        name, _, file = path.partition("/")
        match = _FOLDER_NAME.fullmatch(name)
        if match is None or match[3]:
            continue
        files = parts.setdefault((int(match[1]), match[2]), {})
        if file:
            files[file] = folder / path
    parts.pop((0, PRE), None)
    _check_parts(folder, parts, Findings(run_id))


def _n_chunks(parts: Mapping[_Key, Mapping[str, Path]]) -> int:
    return max((number + (kind != PRE) for number, kind in parts), default=0)


def _check_parts(folder: Path, parts: dict[_Key, dict[str, Path]], findings: Findings) -> None:
    """Check that no thread lacks a file in a part before its last one."""
    n_chunks = _n_chunks(parts)
    needed = {thread: _needed(parts, thread) for thread in sorted(set().union(*parts.values()))}
    for key in sorted({(number, kind) for number in range(n_chunks) for kind in (MAIN, POST)}):
        _check_part(folder, parts, key, needed, n_chunks, findings=findings)


def _parts(folder: Path, findings: Findings) -> dict[_Key, dict[str, Path]]:
    """Return the files of all parts by name, with THE_END as part -1."""
    parts: dict[_Key, dict[str, Path]] = {}
    for path, is_folder in _entries(folder):
        match = _FOLDER_NAME.fullmatch(path.name)
        if not is_folder:
            findings.add("T21", f"{path} is not part of a run")
        elif path.name == THE_END:
            parts[-1, THE_END] = _files(path, findings)
        elif match is None:
            rule = "T24" if _NEGATIVE_NAME.fullmatch(path.name) else "T21"
            findings.add(rule, f"{path} is not a folder of a run")
        elif match[3]:
            for file in _files(path, findings).values():
                findings.add("T33", f"the DAQ never finished {file}", lost_records=None)
        else:
            parts[int(match[1]), match[2]] = _files(path, findings)
    return parts


def _files(folder: Path, findings: Findings) -> dict[str, Path]:
    files = {}
    for path, is_folder in _entries(folder):
        if is_folder:
            findings.add("T21", f"{path} is a folder where only files belong")
        else:
            files[path.name] = path
    return files


def _check_names(
    files: dict[str, Path], readers: Mapping[str, int] | None, findings: Findings
) -> None:
    """Remove files that do not belong to a thread of a reader."""
    for name, path in list(files.items()):
        match = _THREAD.fullmatch(name)
        if match is None or (readers is not None and match[1] not in readers):
            known = "" if readers is None else f" in the run document ({', '.join(readers)})"
            findings.add("T21", f"{path} does not belong to any reader{known}")
            del files[name]


def _check_threads(
    folder: Path, threads: set[str], readers: Mapping[str, int] | None, findings: Findings
) -> None:
    of_reader = defaultdict(set)
    for name in threads:
        of_reader[name.rpartition("_")[0]].add(name)
    for reader, names in sorted(of_reader.items()):
        if readers is not None and len(names) > readers[reader]:
            findings.add(
                "T20",
                f"{folder} has files of {len(names)} threads of {reader}, but the run document has "
                f"{readers[reader]}",
            )


def _check_end(
    folder: Path,
    threads: list[str],
    finished: Mapping[str, Path] | None,
    n_chunks: int,
    findings: Findings,
) -> None:
    if not threads and not finished and not n_chunks:
        findings.add("no_data", f"{folder} has no data: no reader received any", lost_records=None)
        return
    missing = [name for name in threads if name not in (finished or ())]
    if missing or finished is None:
        findings.add(
            "T11",
            f"{folder / THE_END} lacks {', '.join(missing) or 'all'}: the last chunks of these "
            "threads may be missing",
            lost_ns=None,
            lost_records=None,
        )


def _needed(parts: Mapping[_Key, Mapping[str, Path]], thread: str) -> set[_Key]:
    """Return the parts that a thread must have, based on those it has; copies count as post."""
    written = {
        (number - 1, POST) if kind == PRE else (number, kind)
        for (number, kind), files in parts.items()
        if thread in files
    }
    last = max(number for number, _ in written)
    before = {(number, kind) for number in range(last) for kind in (MAIN, POST)}
    return before | written | {(last, MAIN)}


def _check_part(
    folder: Path,
    parts: Mapping[_Key, Mapping[str, Path]],
    key: _Key,
    needed: Mapping[str, set[_Key]],
    n_chunks: int,
    *,
    findings: Findings,
) -> None:
    """Check that each thread has each part that it must have, and each overlap also as a copy."""
    number, kind = key
    names = [thread for thread, keys in needed.items() if key in keys]
    copies = [key] if kind == MAIN else [key, (number + 1, PRE)]
    for one in copies:
        path = folder / f"{one[0]:06d}{one[1]}"
        missing = [name for name in names if name not in parts.get(one, ())]
        if one[1] == PRE and number == n_chunks - 1:
            continue  # no chunk follows, so this copy is not needed
        if not missing and one in parts and not parts[one]:
            missing = [""]
        if not missing:
            continue
        elsewhere = [copy for copy in copies if copy != one]
        has_copy = any(all(name in parts.get(copy, ()) for name in missing) for copy in elsewhere)
        if one not in parts:
            rule, what = ("T8" if one == (0, MAIN) else "T7"), f"{path} is missing"
        elif not parts[one]:
            rule, what = "T10", f"{path} contains no files"
        else:
            rule, what = "T9", f"{path / missing[0]} is missing, as are {len(missing) - 1} others"
            what = what.removesuffix(", as are 0 others")
        if has_copy and rule != "T8":
            findings.add(rule, f"{what}; its copy is used", severity=DEGRADED, chunk=number)
        else:
            findings.add(
                rule,
                f"{what}, but neighboring parts exist",
                severity=REJECT,
                lost_ns=None,
                lost_records=None,
                chunk=number,
            )


def _entries(folder: Path) -> Iterable[tuple[Path, bool]]:
    """Return the entries of a folder, by name, and whether each is a folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted((Path(entry.path), entry.is_dir()) for entry in entries)
    except FileNotFoundError as error:
        raise TransientError(
            f"no live data at {folder}", "transfer the run, or mount the disk"
        ) from error
    except OSError as error:
        raise system_errors.cannot("read", folder, error) from error
