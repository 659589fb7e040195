"""Write the page and the pictures it links to into the working directory."""

import logging
from pathlib import Path

from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout
from xamsflow.views import html_page, run_files
from xamsflow.views.page import facts

logger = logging.getLogger(__name__)

TEMPLATE = "page.html.j2"

SCRIPT = """
const silent = 10;  // minutes without a new page, after which the watch seems to have ended
function age(id) {
  return Math.round((Date.now() - new Date(document.getElementById(id).dateTime)) / 60000);
}
function ago(minutes) {
  return " (" + (minutes < 120 ? minutes + " min" : Math.round(minutes / 60) + " h") + " ago)";
}
function tell() {
  document.getElementById("ago").textContent = ago(age("made"));
  const watch = document.getElementById("watch");
  if (watch) {
    document.getElementById("lookago").textContent = ago(age("look"));
    if (age("look") > silent) watch.className = "bad";
  }
}
tell();
setInterval(tell, 30000);
"""
"""The only script on the page; its hash is in the page's policy, so that no other script runs."""


def make(config: Config) -> Path:
    """Write the page atomically and return its path.

    If the run database cannot be reached, the page is made from the receipts and says so. Raises
    ConfigurationError or ResourcesError if it cannot be written.
    """
    template = Path(__file__).parent / TEMPLATE
    text = html_page.render(template, page=facts.collect(config), own_script=SCRIPT)
    return html_page.write(layout.PAGE, text)


def make_pictures(config: Config, at_most: int) -> list[str]:
    """Draw pictures that are missing or older than the stored data, newest runs first.

    Return the runs whose pictures were drawn. Failures are only logged. Runs that are being
    processed get their pictures later.
    """
    wanted = [run for run in run_files.runs() if _out_of_date(run) and not _is_claimed(run)]
    if not wanted or not at_most:
        return []
    # These modules take seconds to import.
    from xamsflow.settings import detector  # noqa: PLC0415
    from xamsflow.views import overview  # noqa: PLC0415

    loaded = detector.load(config.detector)
    drawn: list[str] = []
    for run in wanted:
        if len(drawn) == at_most:
            break
        try:
            overview.make_run(run, loaded, layout.overview(run))
            drawn.append(run)
        except (XamsflowError, OSError) as error:
            logger.warning("no picture of run %s: %s", run, error)
        except Exception:  # a bug in a picture must not stop xamsflow watch
            logger.exception("no picture of run %s", run)
    return drawn


def _is_claimed(run: str) -> bool:
    try:
        return claims.read(run) is not None
    except XamsflowError:  # unreadable: perhaps
        return True


def _out_of_date(run: str) -> bool:
    """Tell whether a run has a data type receipt that is newer than its picture.

    A folder that this user cannot read needs no picture of this user.
    """
    picture = layout.overview(run)
    others = {layout.rundoc_receipt(run).name, layout.claim_file(run).name, *layout.ABOUT_A_RUN}
    try:
        made = picture.stat().st_mtime_ns if picture.is_file() else 0
        return any(
            path.stat().st_mtime_ns > made
            for path in picture.parent.glob("[a-z]*.json")
            if path.name not in others
        )
    except OSError:
        return False
