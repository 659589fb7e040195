"""The options and plugins that differ between two lineages, in words."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xamsflow.analysis.comparison.pair import Pair

LONGEST = 60
"""Characters of a value that are shown."""


def differences(pair: Pair) -> list[str]:
    """Return one line for each difference in the settings and software that made a run's data.

    Raises BadDataError if the metadata of a data type are damaged.
    """
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for data_type in pair.changed:
        for known, lineage in zip((old, new), pair.lineages(data_type), strict=True):
            known.update(lineage)
    return list(_differences(old, new))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{name} is no longer used"
        elif name not in old:
            yield f"{name} is new, made by {new[name][0]}"
        elif old[name] != new[name]:
            yield from _of_plugin(name, old[name], new[name])


def _of_plugin(name: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    (old_class, old_version, old_options), (new_class, new_version, new_options) = old, new
    if old_class != new_class:
        yield f"{name}: made by {new_class} {new_version}, was {old_class} {old_version}"
    elif old_version != new_version:
        yield f"{name}: version of {new_class} is {new_version}, was {old_version}"
    for option in sorted(old_options.keys() | new_options.keys()):
        if option not in new_options:
            yield f"{name}: option {option} is gone, was {_short(old_options[option])}"
        elif option not in old_options:
            yield f"{name}: option {option} is new, {_short(new_options[option])}"
        elif old_options[option] != new_options[option]:
            yield f"{name}: {option} {_change(old_options[option], new_options[option])}"


def _change(old: Any, new: Any) -> str:
    """Return how a value changed; for long lists of numbers, how many and by how much."""
    if _are_numbers(old) and _are_numbers(new) and len(old) == len(new) > 1:
        changed = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        told = f"differs in {len(changed)} of {len(new)} values"
        if all(one for one, _ in changed):
            shifts = [100 * (other / one - 1) for one, other in changed]
            low, high = (f"{one:+.3g} %" for one in (min(shifts), max(shifts)))
            told += f", by {low}" if low == high else f", by {low} to {high}"
        return told
    return f"is {_short(new)}, was {_short(old)}"


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in value
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
