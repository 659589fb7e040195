"""The choice of the two lineages of a run to compare."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import lineages, strax_folder
from xamsflow.state.lineages import Hashes

Lineage = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two lineages of a run: the lineage hash of each data type that both have."""

    run_id: str
    processed: Path
    old: Hashes
    new: Hashes

    @property
    def changed(self) -> tuple[str, ...]:
        """The data types whose lineage differs."""
        return tuple(name for name in sorted(self.old) if self.old[name] != self.new[name])

    def folders(self, data_type: str) -> tuple[Path, Path]:
        """Return the old and the new folder of a data type."""
        old, new = (
            lineages.folder(self.processed, self.run_id, data_type, hashes[data_type])
            for hashes in (self.old, self.new)
        )
        return old, new

    def metadata(self, data_type: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return strax's metadata of the old and the new data; raises BadDataError if damaged."""
        old, new = (
            strax_folder.read_metadata(self.run_id, path) for path in self.folders(data_type)
        )
        return old, new

    def lineages(self, data_type: str) -> tuple[Lineage, Lineage]:
        """Return the old and the new lineage; raises BadDataError if the metadata are damaged."""
        old, new = (_lineage(self.run_id, path) for path in self.folders(data_type))
        return old, new


def choose(processed: Path, run: str, old: str | None = None, new: str | None = None) -> Pair:
    """Return the two lineages of a run.

    `old` and `new` are the hash of any data type of each. By default, the new lineage is the one
    named in the receipts of the working directory, and the old one is the lineage kept, or the only
    other one stored. Raises ConfigurationError if there are no two such lineages.
    """
    stored = _Stored(processed, run)
    kept = lineages.read(processed, run)
    if new is not None:
        news: Hashes = stored.of(new)
    else:
        news = lineages.published(processed, run)
        if not news:
            raise ConfigurationError(
                f"run {run} has no new data: no receipt in this directory lists data that are "
                "still stored",
                "process the run, or name the new lineage with --new",
            )
    if old is not None:
        olds: Hashes = stored.of(old)
    elif kept is not None:
        olds = kept.earlier
    else:
        olds = stored.only_other(news)
    both = [
        name
        for name in sorted(olds.keys() & news.keys())
        if stored.has(name, olds[name]) and stored.has(name, news[name])
    ]
    pair = Pair(
        run, processed, {name: olds[name] for name in both}, {name: news[name] for name in both}
    )
    if (
        kept is not None
        and old is None
        and not kept.accepted
        and not lineages.stored(processed, kept)
    ):
        raise ConfigurationError(
            f"the earlier data of run {run} are gone: there is nothing to compare",
            f"`xamsflow lineage {int(run)} --accept` switches to the present data",
        )
    if not pair.changed:
        raise ConfigurationError(
            f"run {run} is stored with only one lineage"
            if both
            else f"run {run}: the two lineages have no data type in common",
            f"`xamsflow reprocess {int(run)} --beside` creates a second one",
        )
    return pair


class _Stored:
    """The stored data of a run: the hashes of each data type, and their lineages."""

    def __init__(self, processed: Path, run: str) -> None:
        self._processed, self._run = processed, run
        self._lineages: dict[tuple[str, str], Lineage] = {}

    @cached_property
    def _found(self) -> list[tuple[str, str]]:
        """All data types with their hashes; reading a folder with many runs takes time."""
        return [
            (name.data_type, name.lineage_hash)
            for path in sorted(self._processed.glob(f"{self._run}-*-*"))
            if (name := strax_folder.parse_name(path.name)) is not None
            and not name.temporary
            and lineages.is_stored(path)
        ]

    def has(self, data_type: str, lineage_hash: str) -> bool:
        folder = lineages.folder(self._processed, self._run, data_type, lineage_hash)
        return lineages.is_stored(folder)

    def of(self, lineage_hash: str) -> Hashes:
        """Return all data types that agree with the one with this hash, the newest of each."""
        named = [one for one in self._found if one[1] == lineage_hash]
        if not named:
            raise ConfigurationError(
                f"run {self._run} has no data with the lineage hash {lineage_hash!r}",
                f"available: {self._words(self._several() or self._found)}",
            )
        agreeing = dict(named)
        for data_type, one in self._newest_first():
            if data_type not in agreeing and all(
                _agree(self._lineage(data_type, one), self._lineage(*other))
                for other in agreeing.items()
            ):
                agreeing[data_type] = one
        return agreeing

    def only_other(self, new: Hashes) -> Hashes:
        """Return the only lineage stored in addition to the new one."""
        others = {
            name: [one for data_type, one in self._found if data_type == name and one != hash_]
            for name, hash_ in new.items()
        }
        if not any(others.values()):
            raise ConfigurationError(
                f"run {self._run} is stored with only one lineage",
                f"`xamsflow reprocess {int(self._run)} --beside` creates a second one",
            )
        if any(len(ones) > 1 for ones in others.values()):
            several = [(name, one) for name, ones in others.items() for one in ones]
            raise ConfigurationError(
                f"run {self._run} is stored with more than two lineages",
                f"name the old one with --old: {self._words(several)}",
            )
        return {name: ones[0] for name, ones in others.items() if ones}

    def _newest_first(self) -> Iterator[tuple[str, str]]:
        def time(one: tuple[str, str]) -> float:
            path = lineages.folder(self._processed, self._run, *one)
            return strax_folder.metadata_file(path).stat().st_mtime

        return iter(sorted(self._found, key=time, reverse=True))

    def _lineage(self, data_type: str, lineage_hash: str) -> Lineage:
        key = data_type, lineage_hash
        if key not in self._lineages:
            path = lineages.folder(self._processed, self._run, *key)
            self._lineages[key] = _lineage(self._run, path)
        return self._lineages[key]

    def _several(self) -> list[tuple[str, str]]:
        """Return the data types that are stored more than once."""
        n_stored = Counter(data_type for data_type, _ in self._found)
        return [one for one in self._found if n_stored[one[0]] > 1]

    def _words(self, found: list[tuple[str, str]]) -> str:
        return ", ".join(f"{name}-{one}" for name, one in found) or "none"


def _lineage(run: str, path: Path) -> Lineage:
    found = strax_folder.read_metadata(run, path).get("lineage")
    if not isinstance(found, dict):
        raise strax_folder.damaged(run, f"the metadata of {path} have no lineage")
    return found


def _agree(one: Lineage, other: Lineage) -> bool:
    """Return whether two lineages agree in all plugins and options that both contain."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())
