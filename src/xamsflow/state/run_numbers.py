"""Run numbers as people write them: ``932``, ``000932``, and ranges ``932-940`` and ``932-``."""

import re
from collections.abc import Collection, Iterable

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout

_NUMBER = rf"(\d{{1,{layout.RUN_DIGITS}}})"
_WORD = re.compile(rf"{_NUMBER}(-{_NUMBER}?)?", flags=re.ASCII)


def parse(word: str) -> range:
    """Return the run numbers that a word stands for; a range includes both ends.

    A range without an end, such as ``932-``, extends to the highest number. Raises
    ConfigurationError for anything else.
    """
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise ConfigurationError(
            f"{word!r} is not a run", "give a number such as 932, or a range such as 932-940"
        )
    first = int(match[1])
    if match[2] is None:
        return range(first, first + 1)
    last = layout.HIGHEST_RUN if match[3] is None else int(match[3])
    if last < first:
        raise ConfigurationError(
            f"the range {word} ends before it begins", f"did you mean {last}-{first}?"
        )
    return range(first, last + 1)


def each(numbers: Iterable[int]) -> tuple[range, ...]:
    """Return one range for each of these numbers, ascending."""
    return tuple(range(number, number + 1) for number in sorted(set(numbers)))


def words(numbers: Iterable[int]) -> list[str]:
    """Return run numbers as people write them, ascending; three or more in a row form a range."""
    rows: list[range] = []
    for number in sorted(set(numbers)):
        if rows and number == rows[-1].stop:
            rows[-1] = range(rows[-1].start, number + 1)
        else:
            rows.append(range(number, number + 1))
    return [
        word
        for row in rows
        for word in (
            [f"{row.start}-{row.stop - 1}"] if len(row) > 2 else [str(number) for number in row]
        )
    ]


def parse_all(words: Iterable[str]) -> tuple[range, ...]:
    """Return the ranges of several words; see :func:`parse`."""
    return tuple(parse(word) for word in words)


def single(ranges: Iterable[range]) -> set[int]:
    """Return the numbers that stand alone, not in a range of several."""
    return {part.start for part in ranges if len(part) == 1}


def missing(ranges: Collection[range], existing: Collection[int]) -> list[int]:
    """Return the numbers in ranges of several that do not exist, ascending.

    Of a range without an end, only numbers up to the highest existing one count.
    """
    highest = max(existing, default=-1)
    return sorted(
        {
            number
            for part in ranges
            if len(part) > 1
            for number in (part if part.stop <= layout.HIGHEST_RUN else range(part.start, highest))
        }.difference(existing)
    )


def chosen(ranges: Collection[range], existing: Iterable[int]) -> set[int]:
    """Return the numbers that stand alone, and of each range those in `existing`."""
    return single(ranges) | {
        number for number in existing if any(number in part for part in ranges)
    }
