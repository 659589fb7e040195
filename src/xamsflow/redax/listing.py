"""The contents of a run's folder: names, sizes and times of its files."""

from collections.abc import Mapping
from dataclasses import dataclass

THE_END = "THE_END"
MAIN, POST, PRE = "", "_post", "_pre"
"""The folder written last, and the suffixes of the folders of a chunk's parts."""


@dataclass(frozen=True)
class File:
    """A file's size in bytes and modification time in ns since the epoch (SFTP: whole seconds)."""

    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """Everything inside a folder, with relative paths separated by slashes."""

    folders: frozenset[str]
    files: Mapping[str, File]

    @property
    def size(self) -> int:
        """The total bytes of all files."""
        return sum(file.size for file in self.files.values())
