"""What lies in a run's folder: the names, sizes and times of its files."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file's size in bytes and its last change in ns since the epoch (SFTP: whole seconds)."""

    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """Everything below a folder: paths relative to it, with slashes."""

    folders: frozenset[str]
    files: Mapping[str, File]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files.values())
