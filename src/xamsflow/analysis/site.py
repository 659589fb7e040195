"""A site as analysts see it: its runs, and their data as tables."""

import html
import os
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from xamsflow.analysis import runs as run_tables
from xamsflow.analysis.runs import Patterns, Runs
from xamsflow.base import memory
from xamsflow.base.errors import BadDataError, ConfigurationError, TransientError, XamsflowError
from xamsflow.run import start
from xamsflow.settings import config, detector
from xamsflow.settings.config import Config
from xamsflow.state import layout, lineages, lock, run_numbers, strax_folder

if TYPE_CHECKING:
    import pandas as pd
    import strax
    from matplotlib.figure import Figure

    from xamsflow.analysis.comparison.summary import Comparison
    from xamsflow.analysis.good_runs import Criteria, GoodRuns
    from xamsflow.analysis.quantities.run_data import RunData
    from xamsflow.data.loading import Loader
    from xamsflow.rundb import RunDatabase, run_rows

ASK_AGAIN_S = 60
"""How long to wait before trying an unreachable run database again."""

NAMED = 5
"""How many runs an error names."""

Range = tuple[float, float]


class Site:
    """The runs and stored data of a site; see :func:`xamsflow.open`."""

    def __init__(
        self, settings: Config, directory: Path, *, run_database: bool | None = None
    ) -> None:
        """`run_database`: whether to ask it; None: if it can be reached."""
        self.directory = directory
        storage = settings.storage
        self.settings = replace(
            settings, storage=replace(storage, processed=directory / storage.processed)
        )
        self._run_database = run_database
        self._opened = ExitStack()
        # At the end of Python, while the threads of a tunnel are still alive; later, it would hang.
        weakref.finalize(self, self._opened.close)
        self._loaders: dict[lineages.Which, Loader] = {}
        self._database: RunDatabase | None = None
        self._away_since = -float(ASK_AGAIN_S)

    @property
    def processed(self) -> Path:
        """The folder of strax data."""
        return self.settings.storage.processed

    @cached_property
    def detector(self) -> detector.Detector:
        """The detector, with gains, channels and corrections."""
        with chdir(self.directory):
            return detector.load(self.settings.detector)

    @property
    def loader(self) -> "Loader":
        """The object that loads the data analysts get; creating it takes seconds."""
        return self.loader_of(None)

    def loader_of(self, lineage: lineages.Which) -> "Loader":
        """Return the object that loads the stored data of a lineage; see :meth:`load`."""
        from xamsflow.data.loading import Loader  # noqa: PLC0415

        if lineage not in self._loaders:
            context = self.context(lineage=lineage)
            self._loaders[lineage] = Loader(context, self.processed, lineage)
        return self._loaders[lineage]

    def runs(
        self,
        runs: Runs = None,
        *,
        mode: Patterns = None,
        status: Patterns = None,
        quality: Patterns = None,
        health: Patterns = None,
        source: Patterns = None,
        tags: Patterns = None,
        exclude_tags: Patterns = None,
    ) -> "pd.DataFrame":
        """Return a table with one row per run, newest first.

        `runs` are numbers such as ``2241`` or ``"2241-2243, 2250"``, or a table of runs; None
        selects all runs. Each of the other arguments is one or more patterns such as
        ``"*Cs137*"``. A run must have one of `tags` and none of `exclude_tags`.

        The columns are ``run_id`` (six digits), ``number``, ``mode``, ``source``, ``user``,
        ``tags``, ``comments``, ``start`` and ``end`` (UTC), ``length_s``, ``status``, ``quality``
        (the verdict on the data), ``health`` (``usual`` or ``odd``: the verdict on the
        quantities) and ``reason`` (why the run failed). Unknown texts are empty.

        If the run database is unreachable, the table lists the runs on disk, with a warning.
        """
        numbers = run_tables.ranges(runs)
        with memory.gathering():
            known = run_tables.table(self._columns(numbers))
        return run_tables.select(
            known,
            patterns={
                "mode": mode,
                "status": status,
                "quality": quality,
                "health": health,
                "source": source,
            },
            tags=tags,
            exclude_tags=exclude_tags,
        )

    def load(
        self,
        data_type: str | Sequence[str],
        runs: Runs = None,
        *,
        columns: str | Sequence[str] | None = None,
        selection: str | Sequence[str] | Callable[[Any], Any] | None = None,
        seconds_range: Range | None = None,
        time_range: tuple[int, int] | None = None,
        skip_missing: bool = False,
        make: bool = False,
        lineage: lineages.Which = None,
        **which: Patterns,
    ) -> "pd.DataFrame":
        """Return the rows of a data type for all selected runs, ordered by time.

        `runs` and `which` (mode, status, quality, health, source, tags, exclude_tags) are as for
        :meth:`runs`. Several data types that describe the same things, such as ``("peak_basics",
        "peak_positions")``, are merged.

        The first column is ``run_id``. `columns` are the fields to load. `selection` is a condition
        such as ``"s2_area > 1000"``, a list of conditions, or a function that takes the structured
        array of a run and returns a mask. Rows must lie entirely within `seconds_range` (s since
        the start of the run) or `time_range` (ns since the epoch).

        Only stored data are loaded. If a run lacks the data, an error names the run and the
        command that creates them. With `skip_missing`, such runs are left out; with `make`, the
        data are computed from stored data and added to the folder of strax data.

        If a run was reprocessed alongside its earlier data, the earlier data are loaded until
        somebody accepts the new data. To choose explicitly, set `lineage` to ``"new"`` or
        ``"old"``. If the lineages have different fields, only the common fields are loaded.
        """
        from xamsflow.data.loading import Selection  # noqa: PLC0415 - strax takes seconds

        data_types = (data_type,) if isinstance(data_type, str) else tuple(data_type)
        names = (columns,) if isinstance(columns, str) else columns
        wanted = Selection(
            columns=None if names is None else tuple(names),
            condition=selection,
            time_range=time_range,
            seconds_range=seconds_range,
        )
        if time_range is not None and seconds_range is not None:
            raise ConfigurationError("time_range and seconds_range exclude each other", "give one")
        loader = self.loader_of(lineage)
        loader.check(data_types)
        chosen = self._chosen(runs, which)
        lacking = [
            run for run in chosen if not all(loader.is_stored(run, name) for name in data_types)
        ]
        if lacking and make:
            self._make(lacking, data_types, lineage)
        elif lacking and not skip_missing:
            raise self._not_stored(lacking, len(chosen), data_types, loader)
        left_out = set() if make else set(lacking)
        return loader.table([run for run in chosen if run not in left_out], data_types, wanted)

    def good_runs(self, criteria: "str | Path | Mapping[str, Any] | None" = None) -> "pd.DataFrame":
        """Return the table of good runs, oldest first, with the column ``live_time_s``.

        `criteria` is a file, or its keys and values (see docs/reference/good-runs.md); None for
        ``config/good_runs.yaml``. The table's ``attrs["left_out"]`` gives the reasons for
        each run left out. You can pass the table to :meth:`load`.
        """
        from xamsflow.analysis import good_runs  # noqa: PLC0415 - loads numpy

        with chdir(self.directory):
            wanted = (
                good_runs.check_criteria(dict(criteria))
                if isinstance(criteria, Mapping)
                else good_runs.read_criteria(
                    None if criteria is None else Path(criteria).expanduser()
                )
            )
        table = self.runs(wanted.runs)
        chosen = self.choose(wanted, table)
        live_times = {run.run_id: run.live_time_s for run in chosen.good}
        table = table[table["run_id"].isin(live_times)].sort_values("run_id", ignore_index=True)
        table["live_time_s"] = table["run_id"].map(live_times).astype(float)
        table.attrs["left_out"] = {run.run_id: list(run.reasons) for run in chosen.left_out}
        return table

    def choose(self, criteria: "Criteria", runs: "pd.DataFrame | None" = None) -> "GoodRuns":
        """Return the runs that meet the criteria, and why the others do not.

        `runs` is a table from :meth:`runs`; None considers all runs that the criteria name.
        """
        from xamsflow.analysis import good_runs  # noqa: PLC0415 - loads numpy
        from xamsflow.state import quantity_table  # noqa: PLC0415 - likewise

        if runs is None:
            runs = self.runs(criteria.runs)
        with chdir(self.directory):
            return good_runs.choose(criteria, runs, quantity_table.read())

    def context(
        self, output: Path | str | None = None, *, lineage: lineages.Which = None
    ) -> "strax.Context":
        """Return a strax context that knows the site's stored data, runs, modes and tags.

        The context never writes to the site's folder of strax data. It stores the data it computes,
        and the superruns you define, in the folder `output`; None keeps them in memory.
        `lineage` works as for :meth:`load`; data computed from earlier data have their lineage.
        """
        from xamsflow.data.context import for_analysis  # noqa: PLC0415 - strax takes seconds

        if lineage not in (None, "old", "new"):
            raise ConfigurationError(f"lineage is {lineage!r}", "allowed: None, 'old', 'new'")

        with chdir(self.directory):
            return for_analysis(
                self.detector,
                self.processed,
                self.settings.context,
                None if output is None else Path(output).expanduser().absolute(),
                lineage,
            )

    def run(self, run: int | str) -> "RunData":
        """Return one run, in the form passed to functions of quantities, to try them out.

        Raises ConfigurationError if the run has no receipts of data.
        """
        from xamsflow.analysis.quantities import run_data  # noqa: PLC0415

        named = _named(run)
        if named is None or len(named) != 1:
            raise ConfigurationError(f"{run!r} is not one run", "give one number, such as 932")
        with chdir(self.directory):
            return run_data.RunData(
                run_data.facts(named[0]), self.detector, self.processed, lambda: self.loader
            )

    def quantities(
        self, runs: Runs = None, *, problems: bool = False, **which: Patterns
    ) -> "pd.DataFrame":
        """Return a table with one row per run and one column per quantity, newest run first.

        `runs` and `which` are as for :meth:`runs`. The first columns are ``run_id``, ``start``,
        ``end``, ``mode``, ``tags`` and ``comments``. The error of a quantity (one standard
        deviation) is in the column ``<name>_error``; a quantity of a channel is named
        ``<name>_ch<channel>``. Unknown values are NaN; with `problems`, ``<name>_problem``
        gives the reason. ``xamsflow quantities --backfill`` measures missing quantities.
        """
        from xamsflow.analysis.quantities import table  # noqa: PLC0415

        chosen = self.runs(runs, **which)
        with chdir(self.directory), memory.gathering():
            return table.table(chosen, problems=problems)

    def compare(
        self, runs: Runs, *, old: str | None = None, new: str | None = None, **which: Patterns
    ) -> "Comparison":
        """Compare two lineages of runs: lost and gained peaks and events, and how the others shift.

        `runs` and `which` are as for :meth:`runs`. `old` and `new` are the lineage hash of any data
        type of each; by default, the new lineage is the most recently published one, and the old
        one is the lineage kept, or the only other one stored. The result has the tables
        ``by_run()`` and ``total()``, and ``settings``: the options and plugins that differ.

        Raises ConfigurationError or BadDataError if no run can be compared.
        """
        from xamsflow.analysis.comparison import summary  # noqa: PLC0415 - strax takes seconds

        chosen = self._chosen(runs, which)
        with chdir(self.directory):
            return summary.compare(self.processed, chosen, old, new)

    def display(self, run: int | str, event: int) -> "Figure":
        """Return a picture of one event, by its number in the run.

        Raises ConfigurationError if there is no such event, or if its data are not stored.
        """
        from xamsflow.analysis.display import event_display  # noqa: PLC0415 - loads matplotlib

        context = self.context()
        with chdir(self.directory):  # errors name the command for this folder
            return event_display(context, run, event)

    def close(self) -> None:
        """Close the connection to the run database; the next use reopens it."""
        self._opened.close()
        self._database = None

    def __enter__(self) -> Self:
        """Return the site; at the end of the block, the connection is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection to the run database."""
        self.close()

    def __repr__(self) -> str:
        return f"Site(detector={self.settings.detector!r}, directory={str(self.directory)!r})"

    def _repr_html_(self) -> str:
        rows = {
            "detector": self.settings.detector,
            "directory": self.directory,
            "strax data": self.processed,
            "run database": f"{self.settings.rundb.database}.{self.settings.rundb.collection}",
            "next": "site.runs(), site.load(data_type, runs), site.display(run, event)",
        }
        cells = "".join(
            f"<tr><th style='text-align: left'>{name}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{cells}</table>"

    def _columns(self, numbers: Sequence[range] | None) -> "run_rows.Columns":
        if self._run_database is not False and self._is_due():
            try:
                return self._from_database(numbers)
            except TransientError as error:
                if self._run_database:
                    raise
                self.close()
                self._away_since = time.monotonic()
                warnings.warn(f"{error}. The runs on disk are used.", stacklevel=3)
        with chdir(self.directory):
            return run_tables.on_disk(self.processed, numbers)

    def _is_due(self) -> bool:
        return bool(self._run_database) or time.monotonic() - self._away_since >= ASK_AGAIN_S

    def _from_database(self, numbers: Sequence[range] | None) -> "run_rows.Columns":
        if self._database is None:
            from xamsflow import rundb  # noqa: PLC0415 - keeps `import xamsflow` fast

            with chdir(self.directory):  # the settings name files
                self._database = self._opened.enter_context(
                    rundb.open_database(self.settings.rundb)
                )
        return self._database.columns(numbers)

    def _chosen(self, runs: Runs, which: Mapping[str, Patterns]) -> list[str]:
        """Return the runs to load, oldest first; runs that are named one by one need not exist."""
        named = _named(runs)
        if named is not None and not which:
            return named
        chosen: list[str] = sorted(self.runs(runs, **which)["run_id"])
        if not chosen:
            of = "" if runs is None else f" of {runs if isinstance(runs, str) else 'these runs'}"
            having = ", ".join(f"{name} {value!r}" for name, value in which.items())
            raise ConfigurationError(
                f"no run{of} {f'has {having}' if having else 'exists'}", "see site.runs()"
            )
        return chosen

    def _make(
        self, runs: Iterable[str], data_types: Sequence[str], lineage: lineages.Which
    ) -> None:
        """Compute and store the data types that runs lack."""
        context = self.context(output=self.processed, lineage=lineage)
        for run in runs:
            with lock.exclusive(layout.lock_file(self.processed, run)):
                for name in data_types:
                    try:
                        context.make(run, name, save=name, progress_bar=False)
                    except XamsflowError:
                        raise
                    except Exception as error:
                        first_line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
                        raise BadDataError(
                            f"run {run}: {name} cannot be computed from the stored data "
                            f"({first_line})",
                            f"process the run: `xamsflow pend {int(run)}`",
                        ) from error

    def _not_stored(
        self, lacking: Sequence[str], n_runs: int, data_types: Sequence[str], loader: "Loader"
    ) -> ConfigurationError:
        """Return the error for runs that lack data, which names the command to create them."""
        gone = [run for run in lacking if any(loader.is_gone(run, one) for one in data_types)]
        if gone:
            words = run_numbers.words(map(int, gone))
            shown = " ".join(words[:NAMED]) + (" ..." if len(words) > NAMED else "")
            return ConfigurationError(
                f"the earlier {' and '.join(data_types)} of run {shown} are gone",
                f"load the present data with lineage='new', or switch everybody to them "
                f"with `xamsflow lineage {shown} --accept`",
            )
        words = run_numbers.words(map(int, lacking))
        shown = ", ".join(words[:NAMED]) + (" ..." if len(words) > NAMED else "")
        of = f"run {shown}" if n_runs == 1 else f"{len(lacking)} of {n_runs} runs ({shown})"
        hints = {hint for run in lacking[:NAMED] for hint in self._hints(run, data_types, loader)}
        target = layout.data_type_receipt(lacking[0], data_types[-1])
        return ConfigurationError(
            "; ".join([f"{' and '.join(data_types)} not stored for {of}", *sorted(hints)]),
            f"create them with `{start.typed('local', target, directory=self.directory)}`"
            f"{' and so on' if len(lacking) > 1 else ''}, or here with make=True; or leave them "
            "out with skip_missing=True",
        )

    def _hints(self, run: str, data_types: Sequence[str], loader: "Loader") -> Iterator[str]:
        """Yield what exists instead of the data types that a run lacks."""
        folders = [path.name for path in self.processed.glob(f"{run}-*")]
        if not folders:
            yield f"{self.processed} has no data of run {run}"
        for name in folders:
            found = strax_folder.parse_name(name)
            if found is None or found.data_type not in data_types:
                continue
            if found.temporary:
                yield f"{name} is unfinished: it is being written, or its job was stopped"
            elif loader.folder(run, found.data_type).name != name:
                yield f"{name} was made with other settings or another version"


def _named(runs: Runs) -> list[str] | None:
    """Return runs that are named one by one, ascending; None if there is a range, or for all."""
    ranges = run_tables.ranges(runs)
    if ranges is None or any(len(part) > 1 for part in ranges):
        return None
    return [layout.run_id(number) for number in sorted({part.start for part in ranges})]


def open_site(
    settings: str | Path | Sequence[str | Path] = (),
    *,
    directory: str | Path = ".",
    run_database: bool | None = None,
) -> Site:
    """Return a site; see :func:`xamsflow.open`."""
    files = [settings] if isinstance(settings, str | Path) else settings
    paths = [Path(file).expanduser().absolute() for file in files]
    folder = Path(os.path.abspath(Path(directory).expanduser()))  # noqa: PTH100 - keeps links
    if not folder.is_dir():
        raise ConfigurationError(
            f"the working directory {folder} does not exist",
            "give the directory in which snakemake runs with directory=",
        )
    with chdir(folder):
        loaded = config.load(paths)
    return Site(loaded, folder, run_database=run_database)
