"""Events of a run on one page that needs nothing else: no server, no network, no other file."""

from collections.abc import Iterable
from pathlib import Path

from xamsflow.analysis import display
from xamsflow.analysis.one_event import OneEvent
from xamsflow.views import html_page

TEMPLATE = "event_page.html.j2"

DPI = 90


def page(run_id: str, events: Iterable[OneEvent], more: int = 0) -> str:
    """Return the page with the pictures of events, one at a time.

    `more` is the number of the run's events that are not on it.
    """
    shown = [(event.number, html_page.picture(display.draw(event), DPI)) for event in events]
    template = Path(__file__).parent / TEMPLATE
    return html_page.render(template, run_id=run_id, events=shown, more=more)
