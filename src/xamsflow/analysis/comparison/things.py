"""Lost, gained and matched peaks and events of a run, and how the matched ones shift."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.comparison.pair import Pair
from xamsflow.data import loading, matching
from xamsflow.state import strax_folder

Array = npt.NDArray[Any]

EVENTS = ("event_info", "event_basics", "events")
"""The data types with events; the first that both lineages have is compared."""

PEAKS = "peak_basics"
"""How the names of data types with peaks begin, for the TPC and other groups of channels."""

ABSENT = "none"
"""The class of peaks or events that one lineage lacks."""

TYPES = {0: "unknown", 1: "S1", 2: "S2"}
EVENT_CLASSES = ("neither", "only S1", "only S2", "S1 and S2")


@dataclass(frozen=True)
class Quantity:
    """A field that is compared.

    Its values are in the unit `of_values`, its changes in `unit`: relative to the old value if that
    is %.
    """

    name: str
    field: str
    of_values: str
    unit: str
    of_type: int | None = None

    def changes(self, old: Array, new: Array) -> tuple[Array, Array]:
        """Return the old values and the changes of matched rows, leaving out unknown values.

        Relative changes are computed only for positive old values.
        """
        if self.of_type is not None:
            chosen = (old["type"] == self.of_type) & (new["type"] == self.of_type)
            old, new = old[chosen], new[chosen]
        before = old[self.field].astype(float)
        change = new[self.field].astype(float) - before
        known = np.isfinite(change)
        if self.unit == "%":
            known &= before > 0
        before, change = before[known], change[known]
        return before, 100 * change / before if self.unit == "%" else change


EVENT_QUANTITIES = (
    Quantity("S1 area", "s1_area", "PE", "%"),
    Quantity("S2 area", "s2_area", "PE", "%"),
    Quantity("cS1", "cs1", "PE", "%"),
    Quantity("cS2", "cs2", "PE", "%"),
    Quantity("S1 width", "s1_range_50p_area", "ns", "%"),
    Quantity("S2 width", "s2_range_50p_area", "ns", "%"),
    Quantity("drift time", "drift_time", "ns", "ns"),
    Quantity("z", "z", "mm", "mm"),
)
PEAK_QUANTITIES = (
    Quantity("area", "area", "PE", "%"),
    Quantity("width", "range_50p_area", "ns", "%"),
)
TYPED_PEAK_QUANTITIES = tuple(
    Quantity(f"{TYPES[of_type]} {one.name}", one.field, one.of_values, one.unit, of_type)
    for of_type in (1, 2)
    for one in PEAK_QUANTITIES
)


@dataclass
class Changes:
    """How a quantity of matched rows changes: `n` rows, of which `n_same` do not change.

    `before` and `change` are the old values and the changes of at most the requested number of
    rows, spread evenly over the run. The old values are in the unit `of_values`.
    """

    unit: str
    of_values: str
    n: int = 0
    n_same: int = 0
    before: list[Array] = field(default_factory=list)
    change: list[Array] = field(default_factory=list)

    def add(self, other: "Changes") -> None:
        """Add those of another run."""
        self.n += other.n
        self.n_same += other.n_same
        self.before += other.before
        self.change += other.change

    def values(self) -> tuple[Array, Array]:
        """Return old values and changes."""
        empty = np.empty(0, np.float32)
        return np.concatenate([empty, *self.before]), np.concatenate([empty, *self.change])

    def middle(self) -> tuple[float, float]:
        """Return the median and the spread, which is half the range of the central 68 %."""
        low, median, high = np.percentile(self.values()[1], [15.87, 50, 84.13]).tolist()
        return median, (high - low) / 2

    def summary(self) -> dict[str, Any]:
        """Return the numbers, and median and spread (None without rows), by name."""
        median, spread = self.middle() if len(self.values()[1]) else (None, None)
        numbers = {"n": self.n, "n_same": self.n_same}
        return {"unit": self.unit, **numbers, "median": median, "spread": spread}


@dataclass
class Things:
    """Peaks or events: their number, and how the matched ones change.

    `classes` counts them by old and new class; ABSENT is the new class of lost ones, and the old
    one of gained ones.
    """

    n_old: int = 0
    n_new: int = 0
    n_matched: int = 0
    n_split: int = 0
    n_merged: int = 0
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: dict[str, Changes] = field(default_factory=dict)

    @property
    def n_lost(self) -> int:
        """The number of old ones without a match."""
        return self.n_old - self.n_matched

    @property
    def n_gained(self) -> int:
        """The number of new ones without a match."""
        return self.n_new - self.n_matched

    @property
    def n_reclassified(self) -> int:
        """The number of matched ones whose class changes."""
        return sum(
            n for (old, new), n in self.classes.items() if old != new and ABSENT not in (old, new)
        )

    def counts(self) -> dict[str, int]:
        """Return all numbers, by name."""
        names = (
            "n_old",
            "n_new",
            "n_matched",
            "n_lost",
            "n_gained",
            "n_split",
            "n_merged",
            "n_reclassified",
        )
        return {name: getattr(self, name) for name in names}

    def add(self, other: "Things") -> None:
        """Add those of another run."""
        for name in ("n_old", "n_new", "n_matched", "n_split", "n_merged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.classes += other.classes
        for name, one in other.changes.items():
            self.changes.setdefault(name, Changes(one.unit, one.of_values)).add(one)


def compare(pair: Pair, at_most: int) -> dict[str, Things]:
    """Return what changed in a run, by kind: ``events``, ``peaks`` and so on.

    Kinds with the same lineage are left out. At most `at_most` values of a quantity are kept.
    Raises BadDataError if data are damaged.
    """
    return {kind: _compare(pair, data_type, at_most) for kind, data_type in _kinds(pair)}


def n_rows(pair: Pair) -> dict[str, tuple[int, int]]:
    """Return the old and the new number of rows of each data type whose lineage differs."""
    found = {}
    for data_type in pair.changed:
        try:
            old, new = (
                sum(chunk["n"] for chunk in metadata["chunks"])
                for metadata in pair.metadata(data_type)
            )
        except (KeyError, TypeError) as error:
            raise strax_folder.damaged(
                pair.run_id, f"the metadata of {data_type} were not written by strax ({error!r})"
            ) from error
        found[data_type] = old, new
    return found


def _kinds(pair: Pair) -> Iterator[tuple[str, str]]:
    """Yield the kinds that both lineages have, and the data type that describes them."""
    events = next((name for name in EVENTS if name in pair.changed), None)
    if events is not None:
        yield "events", events
    for name in pair.changed:
        if name == PEAKS or name.startswith(f"{PEAKS}_"):
            yield f"peaks{name.removeprefix(PEAKS)}", name


def _compare(pair: Pair, data_type: str, at_most: int) -> Things:
    of_events = data_type in EVENTS
    paths = pair.folders(data_type)
    fields = [set(loading.fields(pair.run_id, path)) for path in paths]
    common = fields[0] & fields[1]
    quantities = _quantities(of_events, common)
    wanted = {one.field for one in quantities} | ({"type", "s1_area", "s2_area"} & common)
    columns = ("time", "endtime", *sorted(wanted))
    old, new = (loading.columns(pair.run_id, path, columns) for path in paths)
    pairs = matching.match(old, new)
    classify = _classifier(of_events, common)
    return Things(
        n_old=len(old),
        n_new=len(new),
        n_matched=len(pairs.old),
        n_split=pairs.n_split,
        n_merged=pairs.n_merged,
        classes=_classes(classify(old), classify(new), pairs),
        changes={
            one.name: _changes(one, old[pairs.old], new[pairs.new], at_most) for one in quantities
        },
    )


def _quantities(of_events: bool, fields: set[str]) -> tuple[Quantity, ...]:
    known: tuple[Quantity, ...] = EVENT_QUANTITIES
    if not of_events:
        known = TYPED_PEAK_QUANTITIES if "type" in fields else PEAK_QUANTITIES
    return tuple(one for one in known if one.field in fields)


def _changes(quantity: Quantity, old: Array, new: Array, at_most: int) -> Changes:
    before, change = quantity.changes(old, new)
    n = len(change)
    kept = np.linspace(0, n - 1, at_most).astype(int) if n > at_most else slice(None)
    return Changes(
        quantity.unit,
        quantity.of_values,
        n=n,
        n_same=int((change == 0).sum()),
        before=[before[kept].astype(np.float32)],
        change=[change[kept].astype(np.float32)],
    )


def _classifier(of_events: bool, fields: set[str]) -> Callable[[Array], Array]:
    """Return the function that gives the class of each row, as text."""
    if of_events and {"s1_area", "s2_area"} <= fields:
        names = np.array(EVENT_CLASSES, object)
        return lambda rows: names[
            np.isfinite(rows["s1_area"]).astype(int) + 2 * np.isfinite(rows["s2_area"])
        ]
    if "type" in fields:
        return lambda rows: _named(rows["type"], TYPES)
    return lambda rows: np.full(len(rows), "any", object)


def _named(numbers: Array, names: Mapping[int, str]) -> Array:
    found, places = np.unique(numbers, return_inverse=True)
    return np.array([names.get(int(one), str(one)) for one in found], object)[places]


def _classes(old: Array, new: Array, pairs: matching.Matches) -> Counter[tuple[str, str]]:
    found = Counter(zip(old[pairs.old], new[pairs.new], strict=True))
    found.update((name, ABSENT) for name in np.delete(old, pairs.old))
    found.update((ABSENT, name) for name in np.delete(new, pairs.new))
    return found
