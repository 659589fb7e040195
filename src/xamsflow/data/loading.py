"""Stored data of many runs, loaded at once.

For each run, strax builds the plugins of all data types several hundred times. Here, the lineage is
looked up once per range of runs that share it, and then only files are read. The rows are those
that the context returns.
"""

from ast import literal_eval
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import strax

from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError, did_you_mean
from xamsflow.data import strax_private
from xamsflow.data.storage import Backend, DataDirectory
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.state import lineages, strax_folder

Array = npt.NDArray[Any]

RUN_ID = "run_id"
"""The column with the run, which strax adds under this name, too."""


@dataclass(frozen=True)
class Selection:
    """Which rows and columns to load; None for all.

    `condition` is an expression in the names of fields, a sequence of expressions, or a function
    that takes the structured array of a run and returns a mask. `time_range` is in ns since the
    epoch, `seconds_range` in s since the start of the run (in whole seconds); rows must lie
    entirely within it.
    """

    columns: tuple[str, ...] | None = None
    condition: Any = None
    time_range: tuple[int, int] | None = None
    seconds_range: tuple[float, float] | None = None


class Loader:
    """Loads what a context has stored in a folder.

    `which` is the lineage of runs reprocessed alongside their earlier data; the context must have
    been made for the same one.
    """

    def __init__(
        self, context: strax.Context, processed: Path, which: lineages.Which = None
    ) -> None:
        self._context = context
        self._processed = processed
        self._which = which
        self._storage = DataDirectory(str(processed), readonly=True)
        self._hashes: dict[tuple[int, str], str] = {}

    def check(self, data_types: Sequence[str]) -> None:
        """Raise ConfigurationError unless the data types go together."""
        known = self._context.tree
        for name in data_types:
            if name not in known:
                raise ConfigurationError(
                    f"there is no data type {name!r}{did_you_mean(name, known)}",
                    f"this site has {', '.join(sorted(known))}",
                )
            if self._context.get_save_when(name) == strax.SaveWhen.NEVER:
                raise ConfigurationError(
                    f"{name} is never stored", f"compute it: site.context().get_df(run, {name!r})"
                )
        kinds = {self._plugin(name).data_kind_for(name) for name in data_types}
        if len(kinds) > 1:
            raise ConfigurationError(
                f"{' and '.join(data_types)} have rows of different kinds: "
                f"{', '.join(sorted(kinds))}",
                "load them one by one",
            )

    def folder(self, run: str, data_type: str) -> Path:
        """Return the folder for a run's data type, whether or not it is stored."""
        given = lineages.hashes(self._processed, run, self._which)
        if data_type in given:
            lineage_hash = given[data_type]
        elif given:  # it may depend on a data type with a given lineage
            lineage_hash = self._context.key_for(run, data_type).lineage_hash
        else:
            key = bisect(self._starts, int(run)), data_type
            if key not in self._hashes:
                self._hashes[key] = self._context.key_for(run, data_type).lineage_hash
            lineage_hash = self._hashes[key]
        return lineages.folder(self._processed, run, data_type, lineage_hash)

    def is_stored(self, run: str, data_type: str) -> bool:
        """Return whether a run's data type is stored; damaged files show when they are read."""
        return lineages.is_stored(self.folder(run, data_type))

    def is_gone(self, run: str, data_type: str) -> bool:
        """Return whether a run's data type has an earlier lineage that is no longer stored."""
        given = lineages.hashes(self._processed, run, self._which)
        return data_type in given and not self.is_stored(run, data_type)

    def table(
        self, runs: Sequence[str], data_types: Sequence[str], wanted: Selection
    ) -> pd.DataFrame:
        """Return the wanted rows of all runs, which must be stored, with the column `run_id`.

        The rows are in the order of `runs`, and of time within a run. A field with several values
        becomes a column of arrays. Raises BadDataError naming the damaged file, ConfigurationError
        for a condition that does not apply to the data types.
        """
        found = [self._folders(run, data_types) for run in runs]
        columns = _Columns(
            self._selected_dtype(found, data_types, wanted), n_rows=sum(map(_n_rows, found))
        )
        n_rows = [
            columns.append(self._rows(run, folders, wanted))
            for run, folders in zip(runs, found, strict=True)
        ]
        return columns.table(np.repeat(np.array(runs, object), n_rows))

    @property
    def data_types(self) -> tuple[str, ...]:
        """All data types that the context knows."""
        return tuple(self._context.tree)

    def rows(
        self, run: str, data_type: str, columns: Sequence[str], at_most: int | None = None
    ) -> Array:
        """Return columns of a stored data type as a structured array, reading one chunk at a time.

        With `at_most`, only some chunks are read, spread evenly over the run, of about so many rows
        in total (at least one chunk with rows). Raises BadDataError naming the damaged file.
        """
        return _Folder.at(run, self.folder(run, data_type)).columns(columns, at_most)

    def _folders(self, run: str, data_types: Sequence[str]) -> dict[str, "_Folder"]:
        return {name: _Folder.at(run, self.folder(run, name)) for name in data_types}

    def _rows(self, run: str, folders: Mapping[str, "_Folder"], wanted: Selection) -> Array:
        """Return the wanted rows of a run as a structured array."""
        time_range = self._time_range(run, wanted, next(iter(folders.values())))
        found = {
            name: strax.apply_selection(folder.read(time_range), time_range=time_range)
            for name, folder in folders.items()
        }
        data = _merged(run, found)
        if wanted.condition is not None:
            data = data[_mask(data, wanted.condition, tuple(folders))]
        return data

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(strax_private.starts_by_run(self._context))

    def _plugin(self, data_type: str) -> strax.Plugin:
        return strax_private.plugins_of(self._context, [data_type], "0")[data_type]

    def _dtype(self, data_types: Sequence[str]) -> np.dtype[Any]:
        dtypes = [self._plugin(name).dtype_for(name) for name in sorted(data_types)]
        merged: np.dtype[Any] = np.dtype(strax.merged_dtype(dtypes))
        return merged

    def _selected_dtype(
        self, found: Sequence[Mapping[str, "_Folder"]], data_types: Sequence[str], wanted: Selection
    ) -> np.dtype[Any]:
        """Return the wanted fields, which the stored data of all runs have."""
        stored = {tuple(folders[name].dtype for name in sorted(folders)) for folders in found}
        merged = [np.dtype(strax.merged_dtype(list(dtypes))) for dtypes in stored]
        dtype = _common(merged) if merged else self._dtype(data_types)
        for name in wanted.columns or ():
            _check_field(name, dtype.names or (), data_types)
        selected: Array = strax.apply_selection(np.empty(0, dtype), keep_columns=wanted.columns)
        return selected.dtype

    def _time_range(self, run: str, wanted: Selection, folder: "_Folder") -> tuple[int, int] | None:
        if wanted.seconds_range is None:
            return wanted.time_range
        try:  # as strax does
            start = self._storage.run_metadata(run, ("start",))["start"]
            start_s = int(start.replace(tzinfo=UTC).timestamp())
        except (strax.DataNotAvailable, KeyError):
            start_s = folder.start // NS_PER_S
        first, last = (
            NS_PER_S * start_s + int(NS_PER_S * seconds) for seconds in wanted.seconds_range
        )
        return first, last


def fields(run: str, path: Path) -> tuple[str, ...]:
    """Return the fields of a stored data type; raises BadDataError if it is damaged."""
    return _Folder.at(run, path).dtype.names or ()


def columns(run: str, path: Path, names: Sequence[str]) -> Array:
    """Return columns of a stored data type, whatever its lineage, as a structured array.

    Raises BadDataError naming the damaged file, KeyError if there is no such column.
    """
    return _Folder.at(run, path).columns(names, None)


class _Columns:
    """The columns of a table, filled run by run, as a run fits into the processor's cache.

    `n_rows` is the number of rows at most; memory that is not filled is not used.
    """

    def __init__(self, dtype: np.dtype[Any], n_rows: int) -> None:
        self._arrays: dict[str, Array] = {
            name: np.empty((n_rows, *dtype[name].shape), dtype[name].base)
            for name in dtype.names or ()
        }
        self._filled = 0

    def append(self, rows: Array) -> int:
        """Append the rows of a structured array; return their number."""
        first, last = self._filled, self._filled + len(rows)
        for name, array in self._arrays.items():
            array[first:last] = rows[name]
        self._filled = last
        return len(rows)

    def table(self, runs: Array) -> pd.DataFrame:
        """Return the table, with the run of each row."""
        filled = {name: array[: self._filled] for name, array in self._arrays.items()}
        columns = {name: list(one) if one.ndim > 1 else one for name, one in filled.items()}
        return pd.DataFrame({RUN_ID: runs} | columns, copy=False)


def _common(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the fields that all have: data of different lineages may have different ones."""
    first = dtypes[0]
    if len(dtypes) == 1:
        return first
    return np.dtype(
        [
            (name, np.result_type(*(one[name].base for one in dtypes)), first[name].shape)
            for name in first.names or ()
            if all(
                name in (one.names or ()) and one[name].shape == first[name].shape for one in dtypes
            )
        ]
    )


def _n_rows(folders: Mapping[str, "_Folder"]) -> int:
    folder = next(iter(folders.values()))
    return sum(chunk["n"] for chunk in folder.chunks)


@dataclass(frozen=True)
class _Folder:
    """A stored data type: what of strax's metadata is needed to read it."""

    run: str
    path: Path
    dtype: np.dtype[Any]
    compressor: str
    chunks: Sequence[Mapping[str, Any]]
    start: int

    @classmethod
    def at(cls, run: str, path: Path) -> "_Folder":
        """Return the stored data type at `path`; raises BadDataError if it is not complete."""
        metadata = strax_folder.read_metadata(run, path)
        try:
            if "exception" in metadata or "writing_ended" not in metadata:
                raise strax_folder.damaged(run, f"{path} is not complete")
            return cls(
                run,
                path,
                _dtype(metadata["dtype"]),
                metadata["compressor"],
                metadata["chunks"],
                metadata["chunks"][0]["start"],
            )
        except (KeyError, IndexError, TypeError, ValueError, SyntaxError) as error:
            raise strax_folder.damaged(
                run, f"the metadata of {path} were not written by strax ({error!r})"
            ) from error

    def read(self, time_range: tuple[int, int] | None) -> Array:
        """Return the rows of all chunks that overlap with a time range (None: of all chunks)."""
        parts = [
            self._chunk(chunk)
            for chunk in self.chunks
            if chunk["n"]
            and (
                time_range is None
                or (chunk["end"] > time_range[0] and chunk["start"] < time_range[1])
            )
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, self.dtype)

    def columns(self, names: Sequence[str], at_most: int | None) -> Array:
        """Return some columns of all chunks, or of chunks with about `at_most` rows in total."""
        chunks = [chunk for chunk in self.chunks if chunk["n"]]
        n_rows = sum(chunk["n"] for chunk in chunks)
        if at_most is not None and n_rows > at_most:
            n_chunks = max(1, len(chunks) * at_most // n_rows)
            places = (np.arange(n_chunks) + 0.5) * len(chunks) / n_chunks
            chunks = [chunks[place] for place in places.astype(int)]
        dtype = np.dtype([(name, self.dtype[name]) for name in names])
        result: Array = np.empty(sum(chunk["n"] for chunk in chunks), dtype)
        filled = 0
        for chunk in chunks:
            data = self._chunk(chunk)
            for name in names:
                result[name][filled : filled + len(data)] = data[name]
            filled += len(data)
        return result

    def _chunk(self, chunk: Mapping[str, Any]) -> Array:
        try:
            data = _BACKEND.read_chunk(str(self.path), dict(chunk), self.dtype, self.compressor)
        except XamsflowError as error:
            raise type(error)(f"run {self.run}: {error.what}", error.remedy) from error
        if len(data) != chunk["n"]:
            raise strax_folder.damaged(
                self.run, f"{self.path / chunk['filename']} has {len(data)} rows, not {chunk['n']}"
            )
        return data


_BACKEND = Backend()


@cache
def _dtype(text: str) -> np.dtype[Any]:
    """Return the fields that strax noted as text; parsing it takes longer than reading a file."""
    dtype: np.dtype[Any] = np.dtype(literal_eval(text))
    return dtype


def _merged(run: str, found: Mapping[str, Array]) -> Array:
    """Return the rows of data types side by side, with their fields in strax's order."""
    if len({len(data) for data in found.values()}) > 1:
        numbers = ", ".join(f"{len(data)} {name}" for name, data in found.items())
        raise BadDataError(
            f"run {run}: data types of one kind have different numbers of rows ({numbers})",
            f"`xamsflow reprocess {int(run)}`",
        )
    merged: Array = strax.merge_arrs([found[name] for name in sorted(found)])
    return merged


def _mask(data: Array, condition: Any, data_types: Sequence[str]) -> Any:
    """Return which rows fulfill a condition."""
    try:
        return strax.parse_selection(data, condition)
    except KeyError as error:
        _check_field(str(error.args[0]), data.dtype.names or (), data_types)
        raise
    except (SyntaxError, TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise ConfigurationError(
            f"the selection {condition!r} cannot be evaluated ({error})",
            "give an expression in the names of fields, such as '(s2_area > 1000) & (z < -5)'",
        ) from error


def _check_field(name: str, fields: Sequence[str], data_types: Sequence[str]) -> None:
    if name not in fields:
        raise ConfigurationError(
            f"{' with '.join(data_types)} has no field {name!r}{did_you_mean(name, fields)}",
            f"site.context().data_info({data_types[0]!r}) lists the fields",
        )
