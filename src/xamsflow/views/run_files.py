"""A run's files in the working directory: the log of each attempt, and the receipts."""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xamsflow.run.failures import Failure
from xamsflow.state import layout, receipts
from xamsflow.state.receipts import Receipt

BATCH = "batch"
"""The folder with output captured by the batch system, one file per submission."""

_ATTEMPT = re.compile(r"(?P<job>.+)\.(?P<attempt>\d+)\.log", flags=re.ASCII)

_RUNS = re.compile(rf"(?=({layout.RUN_ID_PATTERN}))")
"""Every name of a run within a text."""


@dataclass(frozen=True)
class Log:
    """The log of one attempt at a job; `changed` is when it was last written to.

    `rule` is the rule's name, or BATCH. `data_type` is None for rules without a data type.
    `failure` is why the attempt failed, or None if it did not fail or if a later attempt exists.
    """

    rule: str
    data_type: str | None
    attempt: int
    path: Path
    size: int
    changed: datetime
    failure: str | None


def runs(parent: Path = layout.PAGE.parent) -> list[str]:
    """Return the runs that have a folder in `parent`, by default of receipts, newest first."""
    folders = parent.glob("[0-9]" * layout.RUN_DIGITS)
    return sorted((folder.name for folder in folders if folder.is_dir()), reverse=True)


def logs(run: str) -> list[Log]:
    """Return the logs of all attempts at a run, the most recently written one last."""
    return logs_of([run])[run]


def logs_of(runs: Collection[str]) -> dict[str, list[Log]]:
    """Return for each run what :func:`logs` returns, with one look into each folder of logs."""
    found: dict[str, list[Log]] = {run: [] for run in runs}
    for rule in layout.LOGS:
        folder = Path(layout.LOGS[rule]).parent
        for run, names in _named_after(found, folder).items():
            found[run] += _of_rule(rule, run, [folder / name for name in names])
    folder = Path("logs") / BATCH
    for run, names in _named_after(found, folder).items():
        found[run] += _of_batch([folder / name for name in names])
    for several in found.values():
        several.sort(key=lambda log: (log.changed, log.path))
    return found


def _named_after(runs: Collection[str], folder: Path) -> dict[str, list[str]]:
    """Return the files whose name holds the name of one of these runs, by run."""
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a path object per log takes longer
    except OSError:  # no folder yet
        return {}
    for name in names:
        for run in set(_RUNS.findall(name)):
            if run in runs:
                found.setdefault(run, []).append(name)
    return found


def last_log(found: list[Log]) -> Log | None:
    """Return the most informative log of a run: that of the last failure, else the newest one.

    Output captured by the batch system is usually empty, so it comes last.
    """
    own = [log for log in found if log.rule != BATCH] or found
    failed = [log for log in own if log.failure is not None]
    return (failed or own)[-1] if own else None


def receipts_of(run: str) -> dict[str, Receipt]:
    """Return a run's receipts by file name; an unreadable receipt becomes an empty dict."""
    folder = layout.transfer_receipt(run).parent
    found = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(".") or path.name in layout.ABOUT_A_RUN:  # the first: unfinished
            continue
        found[path.name] = receipts.read_or_empty(path)
    return found


def data_type_receipts(found: dict[str, Receipt]) -> list[Receipt]:
    """Return the receipts that describe data types, earliest first.

    What is stored has the names of data types, which are safe in file names, and facts about each.
    """
    made = [
        {**receipt, "stored": _data_types(receipt["stored"])}
        for name, receipt in found.items()
        if _is_data_type(name.removesuffix(".json")) and isinstance(receipt.get("stored"), dict)
    ]
    return sorted(made, key=lambda receipt: str(receipt.get("time")))


def _is_data_type(name: str) -> bool:
    return re.fullmatch(layout.DATA_TYPE_PATTERN, name) is not None


def _data_types(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        name: facts
        for name, facts in stored.items()
        if _is_data_type(name) and isinstance(facts, dict)
    }


def _of_rule(rule: str, run: str, paths: Iterable[Path]) -> Iterator[Log]:
    for path in paths:
        match = _ATTEMPT.fullmatch(path.name)
        if match is None or not path.name.startswith(f"{run}."):
            continue
        data_type = match["job"].removeprefix(run).removeprefix(".") or None
        link = path.with_name(f"{match['job']}.log")
        left = Failure.left_by(link) if link.resolve() == path.resolve() else None
        log = _log(path, rule, data_type, int(match["attempt"]), left.reason if left else None)
        if log is not None:
            yield log


def _of_batch(paths: Iterable[Path]) -> Iterator[Log]:
    for path in paths:
        match = _ATTEMPT.fullmatch(path.name)
        if match is not None and (log := _log(path, BATCH, None, int(match["attempt"]), None)):
            yield log


def _log(
    path: Path, rule: str, data_type: str | None, attempt: int, failure: str | None
) -> Log | None:
    try:
        state = path.stat()
    except OSError:
        return None
    changed = datetime.fromtimestamp(state.st_mtime, UTC)
    return Log(rule, data_type, attempt, path.absolute(), state.st_size, changed, failure)
