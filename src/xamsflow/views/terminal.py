"""What is shown on a terminal: tables that fit it, colour if it is wanted, no surprises."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

SEPARATOR = "  "
"""Between two columns."""

COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "faint": "2"}
"""Codes of ECMA-48, SGR."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    If the terminal is too narrow, columns go in the order of `drop` (None: never), and texts of
    those with `cut` are cut, to that many characters at the least.
    """

    name: str
    drop: int | None = None
    cut: int | None = None
    right: bool = False


def width() -> int | None:
    """Return how many characters fit into a line, None if the output is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colour() -> bool:
    """Tell whether the output is a terminal with colours that nobody switched off.

    See https://no-color.org.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def coloured(text: str, colour: str | None) -> str:
    """Return the text in a colour, unchanged without one."""
    if colour is None or not text or not has_colour():
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """Return text without terminal control characters: reasons and names come from outside."""
    return "".join(
        character
        if character.isprintable() or character == "\t"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


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
    """Return a table whose lines have `line` characters at most (None: as many as it takes).

    Columns that are empty in every row are left out. `colours` are those of the rows, shown in one
    column. Lines are longer if `line` is too narrow for the columns that can neither go nor be cut.
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
    """Return the columns that fit, and how wide each is."""
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
