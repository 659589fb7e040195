"""The argument of a quantity's function: the facts and the stored data of one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.quantities.definition import NotMeasuredError
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError, did_you_mean
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.rundb import run_document
from xamsflow.settings.detector import Detector
from xamsflow.state import layout, receipts, strax_folder

if TYPE_CHECKING:
    import pandas as pd

    from xamsflow.data.loading import Loader

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """What the receipts of a run say; `start` and `end` in ns since the epoch.

    `live_time_ns` is None if no receipt states it.
    """

    run_id: str
    mode: str
    tags: tuple[str, ...]
    start: int
    end: int
    live_time_ns: int | None


@dataclass
class RunData:
    """One run, for a function that measures a quantity.

    `detector` has the detector's channels, gains and drift settings. `lineage` collects the
    lineage hash of each data type that is read.
    """

    facts: Facts
    detector: Detector
    processed: Path
    _loader: "Callable[[], Loader]"
    lineage: dict[str, str] = field(default_factory=dict)
    _read: dict[Any, Array] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run number as six digits."""
        return self.facts.run_id

    @property
    def number(self) -> int:
        """The run number."""
        return layout.run_number(self.run_id)

    @property
    def mode(self) -> str:
        """The mode in the run document."""
        return self.facts.mode

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the run document had when the run was transferred."""
        return self.facts.tags

    @property
    def start(self) -> int:
        """The start of the run, ns since the epoch."""
        return self.facts.start

    @property
    def end(self) -> int:
        """The end of the run, ns since the epoch."""
        return self.facts.end

    @property
    def length(self) -> float:
        """The time from start to end, in s."""
        return (self.end - self.start) / NS_PER_S

    @property
    def live_time(self) -> float:
        """The time during which the DAQ could record, in s.

        Raises NotMeasuredError if it is unknown or zero.
        """
        if self.facts.live_time_ns is None:
            raise NotMeasuredError("the live time is unknown")
        if self.facts.live_time_ns <= 0:
            raise NotMeasuredError("the run has no live time")
        return self.facts.live_time_ns / NS_PER_S

    @cached_property
    def channels(self) -> tuple[int, ...]:
        """The channels of the TPC, in the order of per-channel arrays; empty without a TPC."""
        return () if self.detector.tpc is None else self.detector.tpc.signals.channels

    def load(
        self,
        data_type: str | Sequence[str],
        *,
        columns: str | Sequence[str] | None = None,
        selection: Any = None,
    ) -> "pd.DataFrame":
        """Return rows of this run; works like :meth:`xamsflow.analysis.site.Site.load`.

        Raises NotMeasuredError if a data type is not stored.
        """
        from xamsflow.data.loading import Selection  # noqa: PLC0415 - strax takes seconds

        names = (data_type,) if isinstance(data_type, str) else tuple(data_type)
        wanted = (columns,) if isinstance(columns, str) else columns
        chosen = None if wanted is None else tuple(wanted)
        self._loader().check(names)
        for name in names:
            self._check_stored(name)
        return self._loader().table([self.run_id], names, Selection(chosen, selection))

    def rows(self, data_type: str, *columns: str, at_most: int | None = None) -> Array:
        """Return these columns of a data type as a structured array, in the order of time.

        With `at_most`, only chunks spread over the run are read, of about so many rows in total.
        The array is kept, and must not be changed. Raises NotMeasuredError if the data type is not
        stored.
        """
        key = data_type, columns, at_most
        if key not in self._read:
            self._check_stored(data_type)
            rows = self._loader().rows(self.run_id, data_type, columns, at_most)
            rows.setflags(write=False)
            self._read[key] = rows
        return self._read[key]

    def _check_stored(self, data_type: str) -> None:
        loader = self._loader()
        if data_type not in loader.data_types:
            raise NotMeasuredError(
                f"{self.detector.name} has no data type {data_type!r}"
                f"{did_you_mean(data_type, loader.data_types)}"
            )
        folder = loader.folder(self.run_id, data_type)
        if loader.is_stored(self.run_id, data_type):
            found = strax_folder.parse_name(folder.name)
            assert found is not None, "the folder is named by strax"
            self.lineage[data_type] = found.lineage_hash
            return
        others = {
            name.data_type
            for path in self.processed.glob(f"{self.run_id}-*")
            if (name := strax_folder.parse_name(path.name)) is not None and not name.temporary
        }
        if data_type in others:
            raise NotMeasuredError(
                f"{data_type} was made with other settings or by another version",
                f"`xamsflow reprocess {self.number}`",
            )
        stored = f"this run has {', '.join(sorted(others))}" if others else "nothing is stored"
        raise NotMeasuredError(f"{data_type} is not stored: {stored}")


def facts(run: str) -> Facts:
    """Return what the receipts in the working directory say about a run.

    Raises ConfigurationError if there are no receipts of data, BadDataError if they are damaged,
    TransientError if they are being moved.
    """
    made = receipts.of_data_types(run, ("quality", "start", "end"))
    if not made:
        raise ConfigurationError(
            f"run {run}: {layout.transfer_receipt(run).parent} has no receipt of a data type",
            f"process the run first: `xamsflow pend {layout.run_number(run)}`",
        )
    document: Mapping[str, Any] = {}
    try:
        transferred = receipts.read(layout.transfer_receipt(run), ("run_document",))
        document = rundoc.from_json(transferred["run_document"])
    except FileNotFoundError:
        pass
    live_times = [receipt["quality"].get("live_time_ns") for receipt in made]
    try:
        return Facts(
            run_id=run,
            mode=run_document.mode(document),
            tags=tuple(rundoc.tag_names(document)),
            start=_time(document, "start") or min(int(receipt["start"]) for receipt in made),
            end=_time(document, "end") or max(int(receipt["end"]) for receipt in made),
            live_time_ns=next((int(live) for live in live_times if live is not None), None),
        )
    except XamsflowError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise BadDataError(
            f"run {run}: the receipts do not describe a run ({error})",
            f"`xamsflow reconcile {run} --repair`",
        ) from error


def _time(document: Mapping[str, Any], name: str) -> int | None:
    """Return a time of a run document in ns since the epoch, None without a valid one."""
    moment = run_document.time(document.get(name))
    if moment is None:
        return None
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return int(np.datetime64(plain, "ns").astype(np.int64))
