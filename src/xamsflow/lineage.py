"""Lineage hashes of the detectors that ship, as committed in ``lineage.json``.

``python -m xamsflow.lineage > lineage.json`` writes them anew. Where a hash changes, data stored
before are not found any more: CHANGELOG then says "reprocess".
"""

import json
from pathlib import Path

from xamsflow import detector as detectors
from xamsflow import layout
from xamsflow.context import context, other
from xamsflow.detector import Detector

FILE = layout.REPOSITORY / "lineage.json"

Hashes = dict[str, dict[str, str]]


def hashes() -> Hashes:
    """Return the lineage hash by detector and data type, both sorted by name."""
    return {
        path.stem: of(detectors.load(path.stem))
        for path in sorted((layout.REPOSITORY / layout.DETECTORS).glob("*.yaml"))
    }


def of(detector: Detector, other_context: str | None = None) -> dict[str, str]:
    """Return the lineage hash by data type; `other_context` as in the configuration."""
    nowhere = Path("nowhere")
    if other_context is None:
        strax_context = context(detector, nowhere, readonly=True)
    else:
        strax_context = other(other_context)(detector, nowhere, {})
    return {
        data_type: strax_context.key_for("0", data_type).lineage_hash
        for data_type in sorted(strax_context.tree)
    }


def differences(committed: Hashes, made: Hashes) -> list[str]:
    """Return one line for each data type whose hash is not the one committed."""
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
