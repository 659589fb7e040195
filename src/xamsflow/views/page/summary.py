"""The page's content around the table of runs, as plain JSON that is ready to be shown."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from xamsflow.base import amounts
from xamsflow.rundb import RunSummary
from xamsflow.state import run_numbers
from xamsflow.views.campaigns import Progress
from xamsflow.views.causes import Cause
from xamsflow.views.html_page import shown
from xamsflow.views.page.facts import Page

FULL = 0.95
"""The used share of a disk from which it counts as full."""

NAMED = 10
"""Maximum number of runs named for one problem."""

IN_ADDRESS = 200
"""Maximum number of ranges of runs in an address, which must not become too long."""


def summary(page: Page) -> dict[str, Any]:
    """Return everything on the page except the rows of the table."""
    return {
        "made": page.made.isoformat(),
        "detector": page.detector,
        "source": shown(page.source),
        "trends": page.has_trends,
        "watch": _watch(page),
        "n_runs": page.n_runs,
        "tiles": list(_tiles(page)),
        "wrong": list(_wrong(page)),
        "active": [_active(run) for run in page.active],
        "campaigns": [_campaign(one) for one in page.campaigns],
        "days": _days(page),
        "latencies": [
            [one.step, amounts.duration(one.median_s), amounts.duration(one.most_s), one.n_runs]
            for one in page.latencies
        ],
        "spaces": [
            {
                "text": f"{one.what}: {amounts.size(one.used)} used, {amounts.size(one.free)} free",
                "path": shown(one.path),
                "percent": round(100 * one.used_share, 1),
                "full": one.used_share > FULL,
            }
            for one in page.spaces
        ],
        "lineages": page.lineages.to_json(),
        "current": page.current,
    }


def _watch(page: Page) -> dict[str, Any] | None:
    if page.watch is None:
        return None
    return {
        "host": shown(page.watch.host),
        "died": page.watch.has_died,
        "look": page.watch.last_look.isoformat(),
        "silent_s": page.watch.silent_after_s,
    }


def _tiles(page: Page) -> Iterator[dict[str, Any]]:
    """Yield a number, what it counts, a remark, its severity, and the status to filter by."""
    waits = [amounts.size(page.backlog_bytes)] if page.backlog_bytes else []
    if page.oldest_pending:
        waits.append(f"the oldest since {amounts.time(page.oldest_pending)}")
    about = ", ".join(waits) if page.n_pending else "no backlog"
    yield _tile(page.n_pending, "waiting", about, "", "pending")
    running, submitted = (page.counts.get(name, 0) for name in ("running", "submitted"))
    about = f"{running} running, {submitted} submitted"
    yield _tile(running + submitted, "in progress", about, "busy", "active")
    about = f"{page.n_retried} will be retried automatically"
    yield _tile(page.n_failed, "failed", about, "bad" if page.n_failed else "good", "failed")
    lately = page.done_lately
    about = f"{amounts.size(lately.n_bytes)} of live data; {page.counts.get('done', 0)} in total"
    yield _tile(lately.n_runs, "done since yesterday", about, "good", "done")


def _tile(number: int, what: str, about: str, how: str, status: str) -> dict[str, Any]:
    return {"number": number, "what": what, "about": about, "how": how, "status": status}


def _wrong(page: Page) -> Iterator[dict[str, Any]]:
    """Yield the current problems, most far-reaching first."""
    if page.source_problem:
        what = "The run database could not be read; this page is based on the receipts here."
        yield _problem(what, page.source_problem, command="xamsflow doctor")
    for space in page.spaces:
        if space.used_share > FULL:
            what = f"The disk of the {space.what} is full: {amounts.size(space.free)} are free."
            yield _problem(what, space.path, command="xamsflow doctor")
    if page.silent:
        what = "In progress, but without a recent heartbeat"
        since = min(sign for run in page.silent if (sign := run.last_sign) is not None)
        about = f"for more than 30 min, the longest since {amounts.time(since)} UTC"
        numbers = [run.number for run in page.silent]
        yield _problem(
            what, about, numbers, command=f"xamsflow why {numbers[0]}", find={"status": "active"}
        )
    for cause in page.failed:
        yield _failed(cause)
    if page.n_causes > len(page.failed):
        what = f"and {page.n_causes - len(page.failed)} more causes of failures"
        yield _problem(what, "", command="xamsflow status --failed")
    if page.odd:
        numbers = [run.number for run in page.odd]
        starts = [run.start for run in page.odd if run.start is not None]
        yield _problem(
            "Odd quantities in the last 7 days",
            "compared with earlier runs of the same mode",
            numbers,
            command=f"xamsflow health {numbers[0]}",
            find={"health": "odd", "from": str(min(starts).date()) if starts else ""},
        )


def _failed(cause: Cause) -> dict[str, Any]:
    run = cause.newest
    about = [run.failure or "", f"in {run.stage}" if run.stage else ""]
    about += [run.mode, f"{amounts.time(run.changed)} UTC" if run.changed else "", run.log or ""]
    words = run_numbers.words(cause.numbers)
    if len(cause.numbers) > 1:
        which = f": {' '.join(words)}" if len(words) <= NAMED else ""
        about.append(f"{len(cause.numbers)} runs failed like this{which}")
    retry = amounts.time(run.retry_at)
    about.append(f"retried automatically at {retry} UTC" if retry else "not retried automatically")
    what = run.reason or "no reason given"
    text = " · ".join(shown(word) for word in about if word)
    command = f"xamsflow log {run.number}" if retry else f"xamsflow retry {run.number}"
    find = {"status": "failed"}
    return _problem(what, text, cause.numbers, command=command, find=find, soft=bool(retry))


def _problem(
    what: str,
    about: str,
    numbers: list[int] | None = None,
    *,
    command: str,
    find: Mapping[str, str] | None = None,
    soft: bool = False,
) -> dict[str, Any]:
    """Return a problem; `soft` means that it may resolve itself.

    `find` is the filter that shows its runs, if there are too many for a URL.
    """
    numbers = numbers or []
    words = run_numbers.words(numbers)
    if len(words) <= IN_ADDRESS:
        find = {"number": " ".join(words)}
    return {
        "what": shown(what),
        "about": about,
        "runs": numbers[:NAMED],
        "n_runs": len(numbers),
        "find": find or {},
        "command": command,
        "soft": soft,
    }


def _active(run: RunSummary) -> dict[str, Any]:
    """Return a run in progress; anybody may write to a run document, so numbers are checked."""
    progress = run.progress or {}
    percent = _number(progress.get("percent"))
    told = []
    chunk, n_chunks = _number(progress.get("chunk")), _number(progress.get("n_chunks"))
    if chunk is not None and n_chunks is not None:
        told.append(f"chunk {chunk} of {n_chunks}")
    elif percent is not None:
        told.append(f"{percent} %")
    if (speed := _number(progress.get("mb_per_s"))) is not None:
        told.append(f"{speed:.4g} MB/s")
    if (left := _number(progress.get("time_left_s"))) is not None:
        told.append(f"{amounts.duration(left)} left")
    what = progress.get("what")
    stage = run.stage or (run.status.value if run.status else "")
    return {
        "number": run.number,
        "mode": shown(run.mode),
        "stage": shown(f"{stage} (attempt {run.attempt})" if run.attempt > 1 else stage),
        "percent": percent,
        "progress": shown(f"{what}: " if isinstance(what, str) else "") + ", ".join(told),
        "node": shown(run.host or ""),
        "job": shown(run.job_id or ""),
        "sign": _iso(run.last_sign),
    }


def _campaign(one: Progress) -> dict[str, Any]:
    counts = [f"{count} {status}" for status, count in one.by_status.items() if count]
    pace = [] if one.rate is None else [f"{one.rate:.3g} runs per hour"]
    if one.end is not None:
        pace.append(f"ends at about {amounts.time(one.end)} UTC")
    done = one.by_status["done"]
    return {
        "name": one.name,
        "reason": shown(one.reason),
        "phase": one.phase.value,
        "percent": round(100 * done / one.n_runs, 1) if one.n_runs else 100.0,
        "progress": f"{done} of {one.n_runs} runs done",
        "counts": ", ".join(counts),
        "pace": ", ".join(pace),
        "failures": [
            {
                "what": f"{amounts.runs(len(cause.runs))} failed: {shown(cause.reason)}",
                "runs": run_numbers.words(cause.runs)[:NAMED],
            }
            for cause in one.failures[:NAMED]
        ],
    }


def _days(page: Page) -> dict[str, Any]:
    return {
        "first": str(page.days[0].date),
        "most_runs": str(max(day.n_runs for day in page.days)),
        "most_bytes": amounts.size(max(day.n_bytes for day in page.days)),
        "each": [
            [
                f"{day.date}: {day.n_runs} runs, {amounts.size(day.n_bytes)}",
                round(100 * day.share_runs, 1),
                round(100 * day.share_bytes, 1),
            ]
            for day in page.days
        ],
    }


def _number(value: Any) -> float | None:
    """Return a number that JSON can hold, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e15 else None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
