"""Write the page and the pictures it links to into the working directory."""

import base64
import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from xamsflow.base import amounts, system_errors
from xamsflow.base.durable import replacing
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout, run_numbers
from xamsflow.views import run_files
from xamsflow.views.page import facts

logger = logging.getLogger(__name__)

TEMPLATE = "page.html.j2"

LONGEST = 500
"""Maximum number of characters shown of a value."""

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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        # Text from run documents is never interpreted as markup.
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": amounts.size,
        "duration": amounts.duration,
        "time": amounts.time,
        "runs": lambda numbers: " ".join(run_numbers.words(numbers)),
    }
    text = environment.get_template(TEMPLATE).render(
        page=facts.collect(config),
        script=markupsafe.Markup(SCRIPT),
        script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
    )
    page = layout.PAGE
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", page, error) from error
    with replacing(page) as partial:
        # File names in messages may contain bytes that are not valid text.
        partial.write_text(text, encoding="utf-8", errors="replace")
        os.chmod(partial, 0o644)  # noqa: PTH101
    return page


def _printable(value: Any) -> Any:
    """Return printable text, truncated to LONGEST."""
    if not isinstance(value, str) or isinstance(value, markupsafe.Markup):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


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
    others = {layout.rundoc_receipt(run).name, layout.claim_file(run).name}
    try:
        made = picture.stat().st_mtime_ns if picture.is_file() else 0
        return any(
            path.stat().st_mtime_ns > made
            for path in picture.parent.glob("[a-z]*.json")
            if path.name not in others
        )
    except OSError:
        return False
