"""The runs on the page of all runs, as the page itself reads them."""

import json
import re
from pathlib import Path
from typing import Any


def runs(page: Path) -> dict[int, dict[str, Any]]:
    """Return the runs of a page by number."""
    found = re.search(r'<script type="application/json" id="data">(.*)</script>', page.read_text())
    assert found is not None
    return {run["number"]: run for run in decoded(json.loads(found[1])["runs"])}


def decoded(block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows with their words."""
    words = block["words"]
    found = []
    for one in block["rows"]:
        run = dict(zip(block["columns"], one, strict=True))
        run |= {name: words[run[name]] for name in block["texts"]}
        found.append(run | {"tags": [words[tag] for tag in run["tags"]]})
    return found
