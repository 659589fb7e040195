"""The page `results/live.html`: the runs that are being taken, as their chunks arrive.

The page of all runs also shows it, in a frame, because it is written much more often.
"""

import contextlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.state import layout, live
from xamsflow.state.live import LiveRun
from xamsflow.views import html_page

TEMPLATE = Path(__file__).parent / "live.html.j2"

RECEIVER = "latest"

SCRIPT = """
const look = 3;  // seconds between two looks for a newer version of the page
const silent = 60;  // seconds without news of a run, after which something may be wrong
function tell() {
  for (const time of document.querySelectorAll("time")) {
    const age = Math.round((Date.now() - new Date(time.dateTime)) / 1000);
    time.nextElementSibling.textContent = " (" + age + " s ago)";
    time.parentElement.className = age > silent ? "bad" : "soft";
  }
}
tell();
setInterval(tell, 1000);
function latest(text) {
  if (JSON.parse(text) !== Number(document.body.dataset.version)) location.reload();
}
setInterval(() => {
  if (document.hidden) return;
  const script = document.createElement("script");
  script.onload = script.onerror = () => script.remove();
  script.src = "page/live.js?" + Date.now();
  document.head.append(script);
}, look * 1000);
function fit() {
  const body = document.body;
  const height = body.dataset.runs === "0" ? 0 : Math.ceil(body.getBoundingClientRect().height);
  if (parent !== window) parent.postMessage({height}, "*");
}
fit();
addEventListener("load", fit);
addEventListener("resize", fit);
"""
"""The only script on the page. A page on a disk can load only scripts, so a script next to it gives
the latest version of the page. In a frame, this script reports the height of the page."""


@dataclass(frozen=True)
class Shown:
    """A run on the page; pictures are paths relative to the page, empty if there is none."""

    run: LiveRun
    picture: str
    event_picture: str

    @property
    def length_s(self) -> float:
        """Length of the data shown."""
        return (self.run.until - self.run.start) / NS_PER_S

    @property
    def start(self) -> datetime:
        """The start of the run, in UTC."""
        return datetime.fromtimestamp(self.run.start / NS_PER_S, UTC)


def make(detector: str) -> Path:
    """Write the page atomically, if anything on it has changed, and return its path.

    Raises ConfigurationError or ResourcesError if it cannot be written.
    """
    shown = [
        Shown(run, _linked(layout.overview(run.run_id)), _linked(_event_picture(run)))
        for run in live.current()
    ]
    version = zlib.crc32(repr(shown).encode(errors="replace"))
    text = html_page.render(
        TEMPLATE, runs=shown, detector=detector, version=version, own_script=SCRIPT
    )
    with contextlib.suppress(OSError):
        if layout.LIVE_PAGE.read_text(encoding="utf-8", errors="replace") == text:
            return layout.LIVE_PAGE
    html_page.write(layout.LIVE_PAGE, text)
    html_page.write_script(layout.PAGE_LIVE, RECEIVER, version)  # last: then the page is there
    return layout.LIVE_PAGE


def _event_picture(run: LiveRun) -> Path:
    return layout.live_event_picture(run.run_id)


def _linked(picture: Path) -> str:
    """Return the address of a picture, which changes with each redrawing; empty without one."""
    try:
        drawn = picture.stat().st_mtime_ns
    except OSError:
        return ""
    return f"{picture.relative_to(layout.LIVE_PAGE.parent)}?{drawn}"
