"""Everything about one run, in a script that the page loads when the run is opened."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xamsflow import rundb
from xamsflow.base import clock, system_errors
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import layout, quantities, receipts, run_numbers
from xamsflow.state.quantities import Quantity
from xamsflow.views import dossier, dossier_text, html_page, run_files
from xamsflow.views.html_page import shown
from xamsflow.views.run_files import Log
from xamsflow.views.terminal import Column

logger = logging.getLogger(__name__)

RECEIVER = "xamsflow.details"

MS = 1_000_000
"""Nanoseconds in a millisecond: some file systems keep no finer times."""

THOROUGH_MS = 900_000
"""Interval between two checks of the files of all runs."""

LOG_BYTES = 6000
"""Amount shown from the end of the log."""

QUANTITIES = ("quantity", "value", "error", "unit", "remark")


def make(config: Config, stamps: Mapping[int, int], at_most: int, *, thorough: bool) -> bool:
    """Write outdated details of at most the given number of runs, newest first.

    Returns whether details of more runs may be out of date.

    `stamps` says when the row of each run last changed, in ms since the epoch. Unless `thorough`,
    the files of runs whose rows have not changed are checked only every THOROUGH_MS. Raises the
    errors of the run database, and ConfigurationError or ResourcesError if nothing can be written.
    """
    wanted = out_of_date(stamps, at_most, thorough=thorough)
    if not wanted:
        return False
    runs = {number: layout.run_id(number) for number in wanted}
    logs = run_files.logs_of(list(runs.values()))
    found = dict.fromkeys(runs, _problem("the run database has no document of this run"))
    with rundb.open_database(config.rundb) as database:
        for document in database.documents(None, run_numbers.each(wanted)):
            number = document["number"]
            run = runs[number]
            try:
                found[number] = list(_sections(run, document, logs[run]))
            except Exception:  # affects only this run, whose document anybody may edit
                logger.exception("no details of run %s", run)
                found[number] = _problem(f"see xamsflow show {number}")
    for number, sections in found.items():
        content = {"run": number, "sections": sections, "pages": _pages(runs[number])}
        path = html_page.write_script(layout.page_details(runs[number]), RECEIVER, content)
        os.utime(path, ns=(wanted[number], wanted[number]))
    return len(wanted) == at_most


def out_of_date(stamps: Mapping[int, int], at_most: int, *, thorough: bool) -> dict[int, int]:
    """Return at most the given number of runs with outdated details, and the new time of each.

    Arguments are as for :func:`make`. On a file server, checking the files of thousands of runs
    takes a long time.
    """
    now = round(clock.now().timestamp() * 1000)
    then, newest = _seen()
    thorough |= not 0 <= now - then < THOROUGH_MS
    wanted: dict[int, int] = {}
    for number in sorted(stamps, reverse=True):
        if len(wanted) == at_most:
            return wanted
        if not thorough and stamps[number] <= newest:
            continue
        version = _version(layout.run_id(number), stamps[number])
        if version is not None:
            wanted[number] = version
    if thorough:
        receipts.write(
            layout.PAGE_DETAILS_SEEN, {"time": now, "newest": max(stamps.values(), default=0)}
        )
    return wanted


def _seen() -> tuple[int, int]:
    """Return when all runs were last checked, and the newest stamp then, in ms; 0 if unknown."""
    try:
        content = receipts.read(layout.PAGE_DETAILS_SEEN)
        return int(content["time"]), int(content["newest"])
    except (XamsflowError, OSError, KeyError, TypeError, ValueError):
        return 0, 0


def _problem(text: str) -> list[Any]:
    return [_pairs("Details", [("problem", text)])]


def _version(run: str, stamp: int) -> int | None:
    """Return the time that a run's details should have, in ns; None if they are up to date.

    The script gets this modification time, whatever the file server's clock says.
    """
    folder = os.path.dirname(layout.OVERVIEW.format(run_id=run))  # noqa: PTH120
    version = max(_changed(folder) // MS, stamp) * MS
    return None if _changed(layout.PAGE_DETAILS.format(run_id=run)) == version else version


def _changed(path: str) -> int:
    """Return when a file or folder last changed, in ns; 0 if it does not exist.

    Paths are strings, because creating path objects for thousands of runs takes longer than reading
    the times.
    """
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _sections(run: str, document: Mapping[str, Any], logs: Sequence[Log]) -> Iterator[Any]:
    """Yield title, kind and content of each part: pairs, a table, or a text."""
    about = dossier.collect(run, document, logs)
    if about["facts"]:
        yield _pairs("Run", dossier_text.facts_pairs(about["facts"]))
    if about["quality"]:
        yield _pairs("Quality", dossier_text.quality_pairs(about["quality"]))
    if about["health"]:
        yield _pairs("Health", dossier_text.health_pairs(about["health"]))
    if about["history"]:
        rows = dossier_text.history_rows(about["history"])
        yield _table("History", _titles(dossier_text.CHANGES), rows)
    yield from _quantities(run)
    if about["stored"]:
        rows = dossier_text.stored_rows(about["stored"])
        yield _table("Stored data", _titles(dossier_text.STORED), rows)
    if about["transfer"]:
        yield _pairs("Live data", dossier_text.transfer_pairs(about["transfer"]))
    log = run_files.last_log(list(logs))
    if log is not None:
        yield {"title": "End of the log", "about": str(log.path), "text": _end(log.path)}


def _pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "title": title,
        "pairs": [(shown(name), shown(str(value))) for name, value in pairs if value],
    }


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, Any]:
    cells = [[shown(str(cell)) for cell in row] for row in rows]
    return {"title": title, "columns": columns, "rows": cells}


def _titles(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _quantities(run: str) -> Iterator[dict[str, Any]]:
    try:
        found = quantities.read(run)
    except (XamsflowError, OSError) as error:
        yield _pairs("Quantities", [("problem", system_errors.readable(error))])
        return
    if found is not None:
        rows = [(name, *_cells(one)) for name, one in found.quantities.items()]
        yield _table("Quantities", QUANTITIES, rows)


def _cells(one: Quantity) -> tuple[str, str, str, str]:
    return (_written(one.value), _written(one.error), one.unit, one.problem or "")


def _written(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _pages(run: str) -> list[tuple[str, str]]:
    """Return the name and address of other files about a run, relative to the page."""
    found = (("events", layout.events_page(run)), ("gains", layout.gains_picture(run)))
    there = ((what, path) for what, path in found if os.path.isfile(path))  # noqa: PTH113
    return [(what, str(path.relative_to(layout.PAGE.parent))) for what, path in there]


def _end(path: Path) -> str:
    """Return the last lines of a log."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            start = max(0, file.tell() - LOG_BYTES)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError as error:
        return str(system_errors.readable(error))
    lines = text.split("\n")[1 if start else 0 :]
    return "\n".join(shown(line) for line in lines)
