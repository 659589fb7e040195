"""The files requested from Snakemake: which can be made, and which are requested by name."""

import os
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
    return rf"(?!{run}/)[^/]+/[^/]+|{run}/(?!(?:{known})\.json){layout.DATA_TYPE_PATTERN}\.json"


def refuse(file: str, data_types: Collection[str] | None) -> None:
    """Raise ConfigurationError that explains why this file in `results` cannot be made."""
    run, data_type = PurePath(file).parent.name, PurePath(file).stem
    layout.run_number(run)
    known = data_types or ()
    raise ConfigurationError(
        f"run {run}: there is no data type {data_type!r}{did_you_mean(data_type, known)}",
        f"available: {', '.join(sorted(known))}",
    )


def names(targets: Iterable[str], file: str) -> bool:
    """Return whether one of the targets is this file, relative to the working directory."""
    return any(PurePath(os.path.relpath(target)) == PurePath(file) for target in targets)
