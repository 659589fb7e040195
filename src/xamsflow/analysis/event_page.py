"""Events of a run on one page that needs nothing else: no server, no network, no other file."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

import markupsafe
from matplotlib.figure import Figure

from xamsflow.analysis import display
from xamsflow.analysis.one_event import OneEvent
from xamsflow.views import html_page

TEMPLATE = "event_page.html.j2"

DPI = 90


def page(run_id: str, events: Iterable[OneEvent], more: int = 0) -> str:
    """Return the page with the pictures of events, one at a time.

    `more` is the number of the run's events that are not on it.
    """
    shown = [(event.number, _embedded(display.draw(event))) for event in events]
    template = Path(__file__).parent / TEMPLATE
    return html_page.render(template, run_id=run_id, events=shown, more=more)


def _embedded(figure: Figure) -> markupsafe.Markup:
    """Return a picture as the address of an image."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    picture = base64.b64encode(file.getvalue()).decode()
    return markupsafe.Markup(f"data:image/png;base64,{picture}")
