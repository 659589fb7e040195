"""The steps shared by commands that propose a measured value for a correction file."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xamsflow.base.durable import replacing
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.cli import asking
from xamsflow.cli.asking import First
from xamsflow.settings import corrections
from xamsflow.state import layout, run_numbers

if TYPE_CHECKING:
    from xamsflow.settings.config import Config
    from xamsflow.settings.corrections import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs of the new entry, and whether to accept it."""
    add = parser.add_argument
    add(
        "--runs",
        dest="entry_runs",
        metavar="FIRST-LAST",
        help="runs that get the new value [from RUN to the end of its current range]",
    )
    add("--accept", action="store_true", help="write the entry and reprocess the affected runs")
    add("--reason", metavar="TEXT", help="record this reason in the run documents")
    add("--yes", action="store_true", help="do not ask for confirmation")
    add("--dry-run", action="store_true", help="show what --accept would change")
    parser.set_defaults(force=False)


def entry_runs(options: argparse.Namespace) -> tuple[int, int] | None:
    """Return the first and last run of ``--runs``, None if it was not given."""
    if options.entry_runs is None:
        return None
    ranges = run_numbers.parse_all([options.entry_runs])
    if len(ranges) != 1:
        raise ConfigurationError(f"--runs is {options.entry_runs!r}", "give one range of runs")
    return ranges[0].start, ranges[0].stop - 1


def propose(
    options: argparse.Namespace,
    configuration: "Config",
    verb: str,
    proposed: Sequence[tuple[str, "Entry"]],
) -> int:
    """Show the entries for correction files, by the name of the file; write them if accepted.

    Returns the exit code.
    """
    files = [_File(name, entry) for name, entry in proposed]
    for one in files:
        print(f"{one.path}: {one.key}: {json.dumps(one.entry.words, ensure_ascii=False)}")
    if not any(one.ranges for one in files):
        print("The proposed values are already in use.")
        return 0
    ranges = [part for one in files for part in one.ranges]
    print(f"The value changes for runs {_words(ranges)}.")
    if not (options.accept or options.dry_run):
        print("Nothing was changed; accept with --accept, or preview with --dry-run.")
        return 0
    return _accept(options, configuration, verb, files, ranges)


class _File:
    """A correction file with a new entry."""

    def __init__(self, name: str, entry: "Entry") -> None:
        self._name = name
        self.entry = entry
        self.key = f"{layout.run_id(entry.first)}-{layout.run_id(entry.last)}"
        self.path, self._content = corrections.written(name, entry)
        before = corrections.load(name)
        self.ranges = corrections.changes(before, corrections.parsed(name, self._content))

    def write(self) -> None:
        """Write the file; raise ConfigurationError if somebody has changed it in the meantime."""
        if corrections.written(self._name, self.entry) != (self.path, self._content):
            raise ConfigurationError(
                f"{self.path} has changed in the meantime", "run the command again"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as partial:
            partial.write_text(self._content, encoding="utf-8")
        print(f"Wrote the new value to {self.path}.")


def _accept(
    options: argparse.Namespace,
    configuration: "Config",
    verb: str,
    files: Sequence[_File],
    ranges: Sequence[tuple[int, int]],
) -> int:
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.operate import actions  # noqa: PLC0415
    from xamsflow.run import journal  # noqa: PLC0415
    from xamsflow.rundb.status import State, state  # noqa: PLC0415

    written = []

    def write() -> None:
        for one in files:
            one.write()
            written.append(one)

    names = " and ".join(str(one.path) for one in files)
    with rundb.open_database(configuration.rundb) as database:
        if not options.dry_run:
            journal.publish(database, configuration)
        found = {
            document["number"]: document
            for document in database.documents(
                actions.FIELDS, [range(first, last + 1) for first, last in ranges]
            )
        }
        processed = {number for number, one in found.items() if state(one) is not State.ABSENT}
        try:
            return asking.act(
                database,
                configuration,
                options,
                actions.corrected(verb, configuration.storage.processed),
                documents=found,
                named=processed,
                first=First(f"write {names}", write),
            )
        except XamsflowError as error:
            if not written:
                raise
            again = " ".join(f"{first}-{last}" for one in written for first, last in one.ranges)
            changed = " and ".join(str(one.path) for one in written)
            raise type(error)(
                f"{error.what}; {changed} has the new value, but some runs are not pending yet",
                f"`xamsflow reprocess {again}`",
            ) from error


def _words(ranges: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
