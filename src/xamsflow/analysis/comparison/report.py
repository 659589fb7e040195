"""The report of a comparison: a page, the same as JSON, and a receipt for each run."""

import json
from datetime import datetime
from pathlib import Path

import markupsafe
from matplotlib.figure import Figure

from xamsflow.analysis.comparison import pictures
from xamsflow.analysis.comparison.summary import Comparison
from xamsflow.base.durable import replacing
from xamsflow.state import compared
from xamsflow.state.compared import Compared
from xamsflow.views import html_page

TEMPLATE = Path(__file__).parent / "report.html.j2"
PAGE = "index.html"
NUMBERS = "comparison.json"
DPI = 80


def write(comparison: Comparison, folder: Path) -> Path:
    """Write the report into a folder, and the receipt of each run; return the page.

    The receipts are in the working directory, and are written last. Raises ConfigurationError or
    ResourcesError if a file cannot be written.
    """
    page = html_page.write(folder / PAGE, _page(comparison))
    with replacing(folder / NUMBERS) as partial:
        partial.write_text(json.dumps(comparison.to_json()) + "\n", encoding="utf-8")
    for run in comparison.runs:
        pair = run.pair
        old, new = (
            {name: hashes[name] for name in pair.changed} for hashes in (pair.old, pair.new)
        )
        compared.write(Compared(pair.run_id, old, new, str(page.absolute()), comparison.time))
    return page


def _page(comparison: Comparison) -> str:
    summaries = comparison.summaries()
    kinds = [
        {
            "name": kind,
            "counts": things.counts(),
            "changes": summaries[kind],
            "pictures": _embedded(
                pictures.confusion(things), pictures.shifts(things), pictures.against_value(things)
            ),
        }
        for kind, things in comparison.overall.items()
    ]
    return html_page.render(
        TEMPLATE,
        time=datetime.fromisoformat(comparison.time),
        runs=[int(run.pair.run_id) for run in comparison.runs],
        settings=comparison.settings,
        kinds=kinds,
        rows=comparison.n_rows(),
        by_run=comparison.runs,
        trend=_embedded(pictures.by_run(comparison)),
        problems=comparison.problems,
    )


def _embedded(*figures: Figure | None) -> list[markupsafe.Markup]:
    """Return pictures as the addresses of images."""
    return [html_page.picture(figure, DPI) for figure in figures if figure is not None]
