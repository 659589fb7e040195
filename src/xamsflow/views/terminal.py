"""Terminal output: tables that fit the width, and optional color."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from xamsflow.base.printable import printable

SEPARATOR = "  "
"""Between two columns."""

COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "faint": "2"}
"""Codes of ECMA-48, SGR."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    If the terminal is too narrow, columns are dropped in the order of `drop` (None: never), and
    the texts in columns with `cut` are shortened, but not below that many characters.
    """

    name: str
    drop: int | None = None
    cut: int | None = None
    right: bool = False


def width() -> int | None:
    """Return the width of the terminal in characters, or None if the output is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colour() -> bool:
    """Return whether the output is a terminal and colors are not disabled.

    See https://no-color.org.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def coloured(text: str, colour: str | None) -> str:
    """Return the text in a color, or unchanged if there is none."""
    if colour is None or not text or not has_colour():
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


SEQUENCES = tuple(f"\x1b[{code}m" for code in ("0", *COLOURS.values()))
"""Everything that this project sends to a terminal in addition to text."""


_SEQUENCE = re.compile("(" + "|".join(map(re.escape, SEQUENCES)) + ")")


def clip(line: str, length: int) -> str:
    """Return a line that may have colors, without what lies beyond `length` characters."""
    made = []
    for part in _SEQUENCE.split(line):
        shown = part if part in SEQUENCES else part[:length]
        length -= 0 if part in SEQUENCES else len(shown)
        made.append(shown)
    return "".join(made)


def wrap_list(text: str, length: int) -> list[str]:
    """Return lines of at most `length` characters, broken after commas; they may have colors."""
    lines = [""]
    for part in text.split(", "):
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if lines[-1] and len(_SEQUENCE.sub("", longer)) >= length:
            lines[-1] += ","
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    return lines


def cut(text: str, length: int) -> str:
    """Return the text, cut to `length` with an ellipsis if it is longer."""
    return text if len(text) <= length else text[: max(0, length - 1)].rstrip() + "…"


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    line: int | None,
    colours: Sequence[str | None] = (),
    coloured_column: int = 0,
) -> str:
    """Return a table with lines of at most `line` characters (None: no limit).

    Columns that are empty in every row are omitted. `colours` holds one color per row, shown in
    one column. Lines exceed `line` if it is too narrow for the columns that cannot be dropped or
    shortened.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    shown = [i for i in range(len(columns)) if any(row[i] for row in cells)]
    widths = [max([len(column.name), *(len(row[i]) for row in cells)]) for i, column in
              enumerate(columns)]  # fmt: skip
    if line is not None:
        shown, widths = _fit(columns, shown, widths, line)

    def line_of(cells: Sequence[str], colour: str | None = None) -> str:
        made = []
        for i in shown:
            text = cut(cells[i], widths[i])
            blanks = " " * (widths[i] - len(text))
            text = coloured(text, colour if i == coloured_column else None)
            made.append(blanks + text if columns[i].right else text + blanks)
        return SEPARATOR.join(made).rstrip()

    return "\n".join(
        [
            line_of([column.name for column in columns]),
            SEPARATOR.join("-" * widths[i] for i in shown),
            *(line_of(row, colour) for row, colour in zip_longest(cells, colours)),
        ]
    )


def _fit(
    columns: Sequence[Column], shown: list[int], widths: list[int], line: int
) -> tuple[list[int], list[int]]:
    """Return the columns that fit, and the width of each column."""
    least = [
        found if column.cut is None else min(found, max(column.cut, len(column.name)))
        for column, found in zip(columns, widths, strict=True)
    ]

    def total(of: Sequence[int]) -> int:
        return sum(of[i] for i in shown) + len(SEPARATOR) * (len(shown) - 1)

    droppable = sorted(
        (column.drop, i) for i, column in enumerate(columns) if column.drop is not None
    )
    for _, i in droppable:
        if total(least) <= line:
            break
        if i in shown:
            shown.remove(i)
    result = list(least)
    spare = line - total(least)
    for i in reversed(shown):  # the last columns hold the sentences
        more = min(widths[i] - least[i], max(0, spare))
        result[i] += more
        spare -= more
    return shown, result
