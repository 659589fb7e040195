"""The last content of the page, so that open pages receive only what has changed since."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xamsflow.base import clock
from xamsflow.base.durable import replacing
from xamsflow.state import layout
from xamsflow.views.page.rows import Row

VERSION = 1
"""The version of the file format; files of other versions count as missing."""

TOLD = 500
"""Maximum number of changed rows that are sent; a page that has missed more reloads itself."""


@dataclass
class Kept:
    """The content that was written last.

    A stamp is a number that grows with every version of the page. `made` is when the last version
    was made, in s since the epoch. `rows` has a checksum of each run's row and the stamp of the
    version in which the row changed. `whole` is the first version from which an open page can be
    brought up to date by changed rows: since then, no run has disappeared. `said` is the checksum
    of everything except the rows.
    """

    stamp: int = 0
    whole: int = 0
    said: int = 0
    made: float = 0.0
    rows: dict[int, tuple[int, int]] = field(default_factory=dict)

    def take(self, rows: Sequence[Row] | None, said: int, made: float) -> bool:
        """Take over the page's current content; return whether anything is new.

        `said` is the checksum of everything except the rows. Without `rows`, because the run
        database cannot be read, those kept stay. What was collected earlier than what is kept, by
        another process, is nothing new.
        """
        if made < self.made <= clock.now().timestamp():
            return False
        changed: dict[int, int] = {}
        gone: set[int] = set()
        if rows is not None:
            sums = {row[0]: checksum(row) for row in rows}
            changed = {
                one: found for one, found in sums.items() if self.rows.get(one, (0, 0))[0] != found
            }
            gone = self.rows.keys() - sums.keys()
        if not (changed or gone) and said == self.said:
            return False
        # The clock, so that pages of a deleted file are older than this one.
        self.stamp = max(self.stamp + 1, round(clock.now().timestamp() * 1000))
        self.said, self.made = said, made
        for number, found in changed.items():
            self.rows[number] = found, self.stamp
        for number in gone:
            del self.rows[number]
        if gone or not self.whole:
            self.whole = self.stamp
        return True

    def changes(self, at_most: int = TOLD) -> tuple[int, set[int]]:
        """Return a version, and the runs whose rows have changed since, at most so many."""
        since = self.whole
        stamps = sorted((stamp for _, stamp in self.rows.values()), reverse=True)
        if len(stamps) > at_most:
            since = max(since, stamps[at_most])
        return since, {number for number, (_, stamp) in self.rows.items() if stamp > since}


def checksum(value: object) -> int:
    """Return a checksum that is the same for the same plain value; never 0."""
    return zlib.crc32(repr(value).encode(errors="replace")) or 1


def read() -> Kept:
    """Return the content that was written last, empty if it cannot be used."""
    try:
        content = json.loads(layout.PAGE_KEPT.read_bytes())
        if content["version"] != VERSION:
            return Kept()
        rows = {int(number): (int(a), int(b)) for number, a, b in content["rows"]}
        stamp, whole, said = (int(content[name]) for name in ("stamp", "whole", "said"))
        return Kept(stamp, whole, said, float(content["made"]), rows)
    except (OSError, ValueError, TypeError, KeyError):
        return Kept()


def write(kept: Kept) -> None:
    """Write it for the next time, atomically.

    Raises ConfigurationError or ResourcesError if it cannot be written.
    """
    content: dict[str, Any] = {
        "version": VERSION,
        "stamp": kept.stamp,
        "whole": kept.whole,
        "said": kept.said,
        "made": kept.made,
        "rows": [(number, *found) for number, found in kept.rows.items()],
    }
    with replacing(layout.PAGE_KEPT) as partial:
        partial.write_text(json.dumps(content, separators=(",", ":")))
