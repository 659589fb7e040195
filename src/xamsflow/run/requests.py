"""The files requested from Snakemake: which can be made, and which are requested by name."""

import os
from collections.abc import Collection, Iterable
from pathlib import PurePath

from xamsflow.base.errors import ConfigurationError, did_you_mean
from xamsflow.state import layout


def check(run: str, data_type: str | None, data_types: Collection[str] | None) -> None:
    """Raise ConfigurationError unless the run is a run number and the data type, if any, exists.

    `data_types` None means that any data type may exist.
    """
    layout.run_number(run)
    if data_type is None or data_types is None or data_type in data_types:
        return
    raise ConfigurationError(
        f"run {run}: there is no data type {data_type!r}{did_you_mean(data_type, data_types)}",
        f"available: {', '.join(sorted(data_types))}",
    )


def names(targets: Iterable[str], file: str) -> bool:
    """Return whether one of the targets is this file, relative to the working directory."""
    return any(PurePath(os.path.relpath(target)) == PurePath(file) for target in targets)
