"""Write the page and the pictures it links to into the working directory."""

import contextlib
import logging
import os
from datetime import datetime
from pathlib import Path

from xamsflow.base.errors import TransientError, XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout, lock
from xamsflow.views import html_page, live, run_files
from xamsflow.views.page import details as run_details
from xamsflow.views.page import facts, kept, rows
from xamsflow.views.page.facts import Page
from xamsflow.views.page.summary import summary

logger = logging.getLogger(__name__)

HERE = Path(__file__).parent

SCRIPTS = ("words.js", "data.js", "run.js", "table.js", "around.js", "refresh.js", "frame.js")
"""The parts of the page's program, in the order in which they are put together."""

TEMPLATE = "page.html.j2"
STYLE = "runs.css"

DETAILS = 20
"""Maximum number of runs whose details are written together with the page."""


def make(config: Config, *, details: int = DETAILS, thorough: bool = False) -> bool:
    """Write the page, and what open pages load, atomically.

    `details` is the maximum number of runs whose details are written; if `thorough`, the files of
    all runs are checked, not only from time to time. Returns whether the page says anything new, or
    whether more details are missing. If the run database cannot be reached, the page is based on
    the receipts and says so. Raises ConfigurationError or ResourcesError if it cannot be written.
    """
    page = facts.collect(config)
    live.make(page.detector)  # a frame of the page
    with lock.exclusive(layout.PAGE_LOCK):
        stamps, is_new = _write(page)
    missing = False
    if not page.source_problem:
        with contextlib.suppress(TransientError):  # the next version has the details
            missing = run_details.make(config, stamps, details, thorough=thorough)
    return is_new or missing


def tell_watch(look: datetime) -> None:
    """Tell open pages when ``xamsflow watch`` last read the run database.

    Raises ConfigurationError or ResourcesError if this cannot be written.
    """
    html_page.write_script(layout.PAGE_WATCH, "xamsflow.watch", {"look": look.isoformat()})


def _write(page: Page) -> tuple[dict[int, int], bool]:
    """Write the page if it says anything new.

    Return when the row of each run changed, in ms, and whether the page says anything new.
    """
    around = summary(page)
    before = kept.read()
    lasting = {name: about for name, about in around.items() if name not in ("made", "watch")}
    lasting["spaces"] = [round(space["percent"]) for space in around["spaces"]]
    # An open page of another version of xamsflow cannot take over changes.
    parts = [(HERE / part).read_text(encoding="utf-8") for part in (*SCRIPTS, TEMPLATE, STYLE)]
    lasting["program"] = program = kept.checksum(parts)
    receipts = bool(page.source_problem)
    if receipts:  # these rows are temporary: open pages keep theirs
        lasting["rows"] = kept.checksum(page.rows)
    told = None if receipts else page.rows
    is_new = before.take(told, kept.checksum(lasting), page.made.timestamp())
    since, changed = before.changes(0) if receipts else before.changes()
    if is_new or not layout.PAGE.is_file():
        version = {"stamp": before.stamp, "around": around, "program": program}
        version["receipts"] = receipts
        text = html_page.render(
            HERE / TEMPLATE,
            detector=page.detector,
            data=html_page.embedded(version | {"runs": rows.block(page.rows)}),
            own_script="\n".join(parts[: len(SCRIPTS)]),
        )
        html_page.write(layout.PAGE, text)
        some = rows.block(row for row in page.rows if row[0] in changed)
        html_page.write_script(
            layout.PAGE_CHANGES, "xamsflow.changes", version | {"since": since, "runs": some}
        )
        kept.write(before)
    if page.watch is not None:
        tell_watch(page.watch.last_look)
    # Last: a page that reads it finds the changes.
    latest = {name: around[name] for name in ("made", "watch")} | {"stamp": before.stamp}
    html_page.write_script(layout.PAGE_LATEST, "xamsflow.latest", latest)
    return {number: stamp for number, (_, stamp) in before.rows.items()}, is_new


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
            inputs_ns = _inputs_ns(run)
            overview.make_run(run, loaded, layout.overview(run))
            # If the run is processed again meanwhile, this picture is out of date.
            os.utime(layout.overview(run), ns=(inputs_ns, inputs_ns))
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
    """Return whether a run has a data type receipt newer than its picture.

    A folder that this user cannot read needs no picture from this user.
    """
    picture = layout.overview(run)
    try:
        return _inputs_ns(run) > (picture.stat().st_mtime_ns if picture.is_file() else 0)
    except OSError:
        return False


def _inputs_ns(run: str) -> int:
    """Return when the newest receipt shown in a run's picture was written; 0 without any."""
    others = {layout.rundoc_receipt(run).name, layout.claim_file(run).name, *layout.ABOUT_A_RUN}
    receipts = layout.overview(run).parent.glob("[a-z]*.json")
    times = (path.stat().st_mtime_ns for path in receipts if path.name not in others)
    return max(times, default=0)
