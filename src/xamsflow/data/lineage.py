"""Lineage hashes of the detectors included in this repository, as committed in ``lineage.json``.

If the lineage depends on the run because of correction files, there is one hash per range of runs,
under the range's first run.

``python -m xamsflow.data.lineage > lineage.json`` updates the file. If a hash changes, data stored
earlier are no longer found; the CHANGELOG must then say "reprocess".
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import strax

from xamsflow.data import processing, strax_private
from xamsflow.data.context import context, other
from xamsflow.settings import detector as detectors
from xamsflow.settings.detector import Detector
from xamsflow.state import layout

FILE = layout.REPOSITORY / "lineage.json"

Hashes = dict[str, dict[str, str | dict[str, str]]]


def hashes() -> Hashes:
    """Return the lineage hashes by detector and data type, both sorted by name."""
    return {
        path.stem: _by_run(detectors.load(path.stem))
        for path in sorted((layout.REPOSITORY / layout.DETECTORS).glob("*.yaml"))
    }


def of(detector: Detector, other_context: str | None = None, run: str = "000000") -> dict[str, str]:
    """Return a run's lineage hashes by data type; `other_context` is as in the configuration."""
    strax_context = _context(detector, other_context)
    plugins = strax_private.plugins_of(strax_context, strax_context.tree, run)
    return {
        data_type: strax.DataKey(run, data_type, plugins[data_type].lineage).lineage_hash
        for data_type in sorted(plugins)
    }


def stored_with(
    detector: Detector, other_context: str | None, run: str, targets: Iterable[str]
) -> dict[str, str]:
    """Return the lineage hash of each data type that is stored for these targets, lowest first.

    Raises ConfigurationError for an unknown target.
    """
    strax_context = _context(detector, other_context)
    return {
        name: key.lineage_hash
        for target in targets
        for name, key in processing.to_be_stored(strax_context, run, target).items()
    }


def same_as(detector: Detector, run: str) -> str:
    """Return the first run of the range of runs with the same corrections and lineages as `run`."""
    return layout.run_id(max(first for first in _starts(detector) if first <= int(run)))


def firsts(detector: Detector) -> list[str]:
    """Return the first run of each range of runs with the same corrections, in order."""
    usable = (first for first in _starts(detector) if first <= layout.HIGHEST_RUN)
    return [layout.run_id(first) for first in sorted(usable)]


def _starts(detector: Detector) -> set[int]:
    corrections = detector.corrections.values()
    return {0} | {first for by_run in corrections for first, _ in by_run.starts()}


def _context(detector: Detector, other_context: str | None) -> strax.Context:
    nowhere = Path("nowhere")
    if other_context is None:
        return context(detector, nowhere, readonly=True)
    return other(other_context)(detector, nowhere, {})


def _by_run(detector: Detector) -> dict[str, str | dict[str, str]]:
    runs = firsts(detector)
    by_run = {run: of(detector, run=run) for run in runs}
    result: dict[str, str | dict[str, str]] = {}
    for data_type in by_run[runs[0]]:
        changes = {runs[0]: by_run[runs[0]][data_type]}
        for before, run in pairwise(runs):
            if by_run[run][data_type] != by_run[before][data_type]:
                changes[run] = by_run[run][data_type]
        result[data_type] = changes if len(changes) > 1 else changes[runs[0]]
    return result


def differences(committed: Hashes, made: Hashes) -> list[str]:
    """Return one line for each data type whose hash differs from the committed one."""
    lines = []
    for name in sorted(committed.keys() | made.keys()):
        before, after = committed.get(name, {}), made.get(name, {})
        for data_type in sorted(before.keys() | after.keys()):
            old, new = before.get(data_type), after.get(data_type)
            if old != new:
                lines.append(f"{name} {data_type}: {old or 'new'} -> {new or 'gone'}")
    return lines


if __name__ == "__main__":
    print(json.dumps(hashes(), indent=2))
