"""The lineages that the current settings give, by range of runs with the same corrections."""

import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import layout, receipts

Changes: TypeAlias = dict[str, list[tuple[int, str | None]]]
"""By data type: from which run onward each lineage hash is current, None if unknown."""


def update(config: Config, runs: Iterable[str]) -> None:
    """Compute the current lineages of all ranges with any of these runs, and write them.

    Importing strax takes seconds, and each range another 0.3 s. Results for the same settings are
    reused on the same day only, because another context may change unnoticed. Raises
    ConfigurationError or ResourcesError.
    """
    from xamsflow.data import lineage  # noqa: PLC0415
    from xamsflow.settings import detector as detectors  # noqa: PLC0415

    detector = detectors.load(config.detector)
    settings = _settings(config, repr(detector), clock.now().date())
    before = _read()
    known = before["ranges"] if before.get("settings") == settings else {}
    wanted = {lineage.same_as(detector, run) for run in runs}
    found = {
        first: known.get(first)
        or (lineage.of(detector, config.context, first) if first in wanted else None)
        for first in lineage.firsts(detector)
    }
    if found != known:
        receipts.write(
            layout.PAGE_CURRENT, _names(config) | {"settings": settings, "ranges": found}
        )


def read(config: Config) -> Changes:
    """Return the current lineages, empty if unknown for this detector and context."""
    content = _read()
    if {name: content.get(name) for name in _names(config)} != _names(config):
        return {}
    changes: Changes = {}
    ranges = sorted(content["ranges"].items())
    for data_type in sorted({name for _, hashes in ranges for name in hashes or ()}):
        of = changes[data_type] = []
        for first, hashes in ranges:
            current = (hashes or {}).get(data_type)
            if not of or of[-1][1] != current:
                of.append((int(first), current))
    return changes


def _names(config: Config) -> dict[str, Any]:
    return {"detector": config.detector, "context": config.context}


def _settings(config: Config, detector: str, today: date) -> int:
    """Return a checksum of everything visible that lineages depend on."""
    try:
        committed = (layout.REPOSITORY / "lineage.json").read_bytes()
    except OSError:
        committed = b""
    return zlib.crc32(f"{config.context} {detector} {today}".encode() + committed)


def _read() -> Mapping[str, Any]:
    """Return the stored lineages, empty if the file cannot be used."""
    try:
        content = receipts.read(layout.PAGE_CURRENT)
    except (XamsflowError, OSError):
        return {}
    ranges = content.get("ranges")
    usable = isinstance(ranges, dict) and all(
        first.isdecimal() and (hashes is None or isinstance(hashes, dict))
        for first, hashes in ranges.items()
    )
    return content if usable else {}
