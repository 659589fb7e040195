"""Events of a run on one page that needs nothing else: no server, no network, no other file."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from xamsflow.analysis import display
from xamsflow.analysis.one_event import OneEvent

TEMPLATE = "event_page.html.j2"

DPI = 90


def page(run_id: str, events: Iterable[OneEvent], more: int = 0) -> str:
    """Return the page with the pictures of events, one at a time.

    `more` is the number of the run's events that are not on it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [(event.number, _embedded(display.draw(event))) for event in events]
    return environment.get_template(TEMPLATE).render(run_id=run_id, events=shown, more=more)


def _embedded(figure: Figure) -> str:
    """Return a picture as the address of an image."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
