"""Read the live data of a finished run, strictly.

redax writes no checksums, lengths or indices, and files that were cut or mixed up often decode
without complaint. So everything its format promises is checked here, and whatever breaks a promise
is a BadDataError that names the folder or file: a run is read whole or not at all.

A run's folder holds, for chunk number k, the main part ``k``, the overlap behind it ``k_post``,
and ``(k+1)_pre``, a copy of that same overlap. Each formatter thread of each reader writes a file
of its own into each of them, called ``<reader>_<thread>``.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import blosc
import lz4.frame
import numpy as np
import numpy.typing as npt

from xamsflow.errors import BadDataError, ConfigurationError, TransientError

END_FOLDER = "THE_END"
LZ4_MAGIC = b"\x04\x22\x4d\x18"
BLOSC_HEADER_SIZE = 16
BLOSC_COMPRESSED_SIZE = slice(12, 16)
"""Where a blosc buffer states its own size, header included (32 bits, little endian)."""

_FOLDER_NAME = re.compile(r"(\d{6})(_pre|_post|)(_temp|)", flags=re.ASCII)
_REMEDY = "transfer the run again, and compare with the folder on the DAQ host"

Records = npt.NDArray[np.void]
_Parts = dict[tuple[int, str], "Part"]


@dataclass(frozen=True)
class Part:
    """One folder of a chunk: its main part or one of its overlaps; files sorted by name."""

    folder: Path
    files: tuple[Path, ...]


@dataclass(frozen=True)
class LiveData:
    """The folders of a finished run, complete.

    `main` holds one part per chunk. `post` holds the overlap behind each chunk; only the last
    chunk may have none. `pre` holds the copies of the same overlaps, None where there is none.
    """

    folder: Path
    main: tuple[Part, ...]
    post: tuple[Part | None, ...]
    pre: tuple[Part | None, ...]
    ignored: tuple[str, ...]

    @property
    def n_chunks(self) -> int:
        """Number of chunks that the DAQ wrote; 0 if no thread received any data."""
        return len(self.main)


def survey(folder: Path, readers: Mapping[str, int]) -> LiveData:
    """Return the parts of a run in `folder`, after checking that none is missing.

    `readers` maps a reader's name to its number of threads. Raises BadDataError naming the first
    folder or file that is missing or has no place there, TransientError if the run is not there.
    """
    parts, ignored = _parts(folder)
    n_chunks = max((number + (kind != "_pre") for number, kind in parts), default=0)
    _check_folders(folder, parts, n_chunks)
    _check_threads(folder, parts, readers)
    return LiveData(
        folder=folder,
        main=tuple(parts[number, ""] for number in range(n_chunks)),
        post=tuple(parts.get((number, "_post")) for number in range(n_chunks)),
        pre=tuple(parts.get((number + 1, "_pre")) for number in range(n_chunks)),
        ignored=ignored,
    )


def read_part(part: Part, compressor: str, dtype: np.dtype[np.void]) -> Records:
    """Return all records in a folder, in the order of file names and then as written."""
    pieces = [decode(read(file), file, compressor, dtype) for file in part.files]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def check_copy(post: Part, pre: Part, compressor: str, dtype: np.dtype[np.void]) -> None:
    """Raise BadDataError unless both folders hold the same records, file by file."""
    if [file.name for file in post.files] != [file.name for file in pre.files]:
        raise _bad(post.folder.parent, f"{post.folder} and its copy {pre.folder} differ in files")
    for file, copy in zip(post.files, pre.files, strict=True):
        data, copied = read(file), read(copy)
        # Equal bytes need no decoding; the same records may be compressed in two ways.
        if data != copied and not np.array_equal(
            decode(data, file, compressor, dtype), decode(copied, copy, compressor, dtype)
        ):
            raise _bad(post.folder.parent, f"{file} and its copy {copy} differ")


def read(file: Path) -> bytes:
    """Return a file's content.

    Raises ConfigurationError without the right to read it, TransientError where it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def decode(data: bytes, file: Path, compressor: str, dtype: np.dtype[np.void]) -> Records:
    """Return the records of one file of live data; an empty file is a legal placeholder.

    Raises BadDataError naming the file unless it is exactly one complete lz4 frame or one blosc
    buffer with nothing behind it, which holds whole records.
    """
    if not data:
        return np.zeros(0, dtype)
    decoded = _decode_lz4(data, file) if compressor == "lz4" else _decode_blosc(data, file)
    if len(decoded) % dtype.itemsize:
        raise _bad_file(
            file,
            f"holds {len(decoded)} bytes, which is no multiple of a record's {dtype.itemsize}",
        )
    return np.frombuffer(decoded, dtype)


def _decode_lz4(data: bytes, file: Path) -> bytearray:
    if not data.startswith(LZ4_MAGIC[: len(data)]):
        raise _bad_file(file, "is no lz4 frame")
    try:
        decoded: bytearray
        decoded, used = lz4.frame.decompress(data, return_bytearray=True, return_bytes_read=True)
    except (RuntimeError, MemoryError) as error:
        raise _bad_file(
            file, f"is no complete lz4 frame, it was cut or damaged ({error})"
        ) from error
    if used != len(data):
        raise _bad_file(file, f"has {len(data) - used} bytes behind its lz4 frame")
    return decoded


def _decode_blosc(data: bytes, file: Path) -> bytes:
    if len(data) < BLOSC_HEADER_SIZE:
        raise _bad_file(file, "is no complete blosc buffer, it was cut or damaged")
    size = int.from_bytes(data[BLOSC_COMPRESSED_SIZE], "little")
    if size != len(data):
        raise _bad_file(
            file, f"is no complete blosc buffer, it has {len(data)} bytes and should have {size}"
        )
    try:
        return bytes(blosc.decompress(data))
    except Exception as error:  # blosc raises a class of its own that its module does not offer
        raise _bad_file(file, f"is no complete blosc buffer, it was damaged ({error})") from error


def _parts(folder: Path) -> tuple[_Parts, tuple[str, ...]]:
    """Return all parts by chunk number and kind, and the names of folders that are ignored."""
    parts: _Parts = {}
    ignored = []
    for entry in _folders(folder):
        if entry.name == END_FOLDER:
            continue
        match = _FOLDER_NAME.fullmatch(entry.name)
        if match is None:
            raise _bad(folder, f"{entry} is no folder of a run", "move it away if it is not data")
        number, kind, is_unfinished = match.groups()
        files = _files(entry)
        if is_unfinished:
            if files:
                raise _bad(folder, f"{files[0]} was never finished by the DAQ")
        elif int(number) == 0 and kind == "_pre":
            # There is nothing before the start; straxen ignores such a folder too.
            ignored.append(entry.name)
        elif files:
            parts[int(number), kind] = Part(entry, files)
        else:
            raise _bad(folder, f"{entry} holds no files")
    return parts, tuple(ignored)


def _check_folders(folder: Path, parts: _Parts, n_chunks: int) -> None:
    for number in range(n_chunks):
        needed = [(number, "")]
        if number < n_chunks - 1:
            needed += [(number, "_post"), (number + 1, "_pre")]
        elif (n_chunks, "_pre") in parts:
            needed.append((number, "_post"))
        for key in needed:
            if key not in parts:
                missing = folder / f"{key[0]:06d}{key[1]}"
                raise _bad(folder, f"{missing} is missing, other parts beside it are there")


def _check_threads(folder: Path, parts: _Parts, readers: Mapping[str, int]) -> None:
    """Check that each thread wrote every part of every chunk before its own last one."""
    names = {key: {file.name for file in part.files} for key, part in parts.items()}
    threads: defaultdict[str, set[str]] = defaultdict(set)
    for key, part in parts.items():
        for name in names[key]:
            reader = name.rpartition("_")[0]
            if reader not in readers:
                raise _bad(
                    folder,
                    f"{part.folder / name} is of no reader of the run document "
                    f"({', '.join(readers)})",
                )
            threads[reader].add(name)
    for reader, files in threads.items():
        if len(files) > readers[reader]:
            raise _bad(
                folder,
                f"{folder} has files of {len(files)} threads of {reader}, the run document says "
                f"{readers[reader]}",
                "two runs may have been written into one folder",
            )
    for name in (name for files in threads.values() for name in files):
        written = {key for key, files in names.items() if name in files}
        # The overlap behind a thread's last main part is there only if it has data.
        last = max(number - (kind == "_pre") for number, kind in written)
        needed = {(number, "") for number in range(last + 1)}
        needed |= {(number, "_post") for number in range(last)}
        needed |= {(number + 1, "_pre") for number in range(last)}
        if needed - written:
            number, kind = min(needed - written)
            missing = folder / f"{number:06d}{kind}" / name
            raise _bad(folder, f"{missing} is missing, later files of this thread are there")


def _folders(folder: Path) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except FileNotFoundError as error:
        raise TransientError(
            f"no live data at {folder}", "transfer the run, or mount the disk"
        ) from error
    except OSError as error:
        raise _unreadable(folder, error) from error


def _files(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigurationError | TransientError:
    if isinstance(error, PermissionError):
        return ConfigurationError(f"no right to read {path}", "check its owner and mode")
    return TransientError(
        f"cannot read {path} ({error.strerror})", "check the disk, try again later"
    )


def _bad(folder: Path, what: str, remedy: str = _REMEDY) -> BadDataError:
    return BadDataError(f"run {folder.name}: {what}", remedy)


def _bad_file(file: Path, what: str) -> BadDataError:
    return _bad(file.parent.parent, f"{file} {what}")
