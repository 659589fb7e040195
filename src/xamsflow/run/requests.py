"""The files requested from Snakemake: which can be made, and which are requested by name."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import PurePath

from xamsflow.base.errors import ConfigurationError, did_you_mean
from xamsflow.state import layout

# `data_types` None means that any data type may exist.


def data_type_pattern(data_types: Collection[str] | None) -> str:
    """Return the regular expression of the data types that can be made."""
    return layout.DATA_TYPE_PATTERN if data_types is None else "|".join(sorted(data_types))


def impossible_pattern(data_types: Collection[str] | None) -> str:
    """Return the regular expression of the files in `results` that no run can have.

    These are files of something that is not a run, and receipts of unknown data types. The files of
    other rules do not match.
    """
    run, known = layout.RUN_ID_PATTERN, data_type_pattern(data_types)
    return (
        rf"(?!{run}/)[^/]+/[a-z][a-z0-9_]*\.(?:json|png)"
        rf"|{run}/(?!(?:{known})\.json){layout.DATA_TYPE_PATTERN}\.json"
    )


def refuse(file: str, data_types: Collection[str] | None) -> None:
    """Raise ConfigurationError that explains why this impossible file in `results` is not made."""
    layout.run_number(PurePath(file).parent.name)
    check([PurePath(file).stem], data_types)


def check(targets: Iterable[str], data_types: Collection[str] | None) -> None:
    """Raise ConfigurationError if one of the targets cannot be made."""
    for target in targets:
        if _is_possible(target, data_types):
            continue
        known = sorted(data_types or ())
        raise ConfigurationError(
            f"there is no data type {target!r}{did_you_mean(target, known)}",
            f"available: {', '.join(known)}" if known else "allowed: a-z, 0-9 and _",
        )


def _is_possible(data_type: str, data_types: Collection[str] | None) -> bool:
    if data_types is not None:
        return data_type in data_types
    return re.fullmatch(layout.DATA_TYPE_PATTERN, data_type) is not None


def names(targets: Iterable[str], file: str) -> bool:
    """Return whether one of the targets is this file, relative to the working directory."""
    return any(PurePath(os.path.relpath(target)) == PurePath(file) for target in targets)
