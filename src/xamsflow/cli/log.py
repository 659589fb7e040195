"""Show the logs of runs."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import choosing
from xamsflow.run.failures import Failure
from xamsflow.state import layout
from xamsflow.views import run_files
from xamsflow.views.run_files import Log

HELP = "show the log of a run's last failure, or of its newest job"
ONLY_LOOKS = True

BLOCK = 1 << 16
PAUSE_S = 0.3
"""Polling interval for a log that is being followed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the selection of their logs."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    add("--rule", choices=(*layout.LOGS, run_files.BATCH), help="show the log of this rule")
    add("--attempt", type=int, metavar="N", help="show the log of attempt N [the last]")
    add("--follow", action="store_true", help="print new lines until the job ends")


def run(options: argparse.Namespace) -> int:
    """Print the logs; the path of each and the reason of a failure go to standard error."""
    numbers = choosing.on_disk(options.runs)
    if options.follow and len(numbers) > 1:
        raise ConfigurationError("--follow requires a single run", "give one run number")
    for number in numbers:
        _print(layout.run_id(number), options)
    return 0


def _print(name: str, options: argparse.Namespace) -> None:
    found = run_files.logs(name)
    log = choose(found, name, options.rule, options.attempt)
    print(f"==> {log.path}", file=sys.stderr, flush=True)
    for text in _lines(log, follow=options.follow):
        print(text, flush=options.follow)
    if log.failure:
        print(f"==> failed: {log.failure}", file=sys.stderr)
    sys.stderr.flush()


def choose(found: list[Log], name: str, rule: str | None, attempt: int | None) -> Log:
    """Return the requested log.

    If there is none, raises a ConfigurationError that lists the available logs.
    """
    fitting = [log for log in found if rule in (None, log.rule) and attempt in (None, log.attempt)]
    chosen = run_files.last_log(fitting)
    if chosen is not None:
        return chosen
    if not found:
        raise ConfigurationError(
            f"run {name} has no logs in {Path.cwd() / 'logs'}",
            f"xamsflow show {name} shows where the run was processed; check --directory",
        )
    there = ", ".join(f"{log.rule} {log.attempt}" for log in found)
    raise ConfigurationError(
        f"run {name} has no log of this rule or attempt", f"available: {there}"
    )


def _lines(log: Log, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a log without terminal control characters."""
    with log.path.open(encoding="utf-8", errors="replace") as file:
        rest = ""
        while True:
            ended = not follow or _has_ended(log)
            while part := file.read(BLOCK):
                *lines, rest = (rest + part).split("\n")
                yield from lines
            if ended:
                break
            time.sleep(PAUSE_S)
    if rest:
        yield rest


def _has_ended(log: Log) -> bool:
    """Return whether the job of a log has ended or restarted; a killed job leaves no trace."""
    link = log.path.with_name(log.path.name.replace(f".{log.attempt}.log", ".log"))
    if log.rule == run_files.BATCH or not link.is_symlink():
        return False
    receipt = Path(
        layout.RECEIPTS[log.rule].format(
            run_id=log.path.name.partition(".")[0], data_type=log.data_type
        )
    )
    return (
        link.resolve() != log.path.resolve()
        or Failure.file(link).exists()
        or (receipt.exists() and receipt.stat().st_mtime >= link.lstat().st_mtime)
    )
