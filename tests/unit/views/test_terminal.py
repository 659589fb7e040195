import re
import sys

import pytest

from xamsflow.views import terminal
from xamsflow.views.terminal import Column

COLUMNS = (
    Column("run"),
    Column("mode", cut=8),
    Column("size", drop=1, right=True),
    Column("job", drop=2),
    Column("reason", cut=10),
)
ROWS = [
    ["000932", "xamsl_V1730_30ADC_th", "80 MB", "17", "no space left on the disk of the cluster"],
    ["000931", "led", "1 MB", "", ""],
]


def lines(line):
    return terminal.table(COLUMNS, ROWS, line=line).splitlines()


def test_without_a_limit_all_is_shown_whole():
    assert lines(None)[0].split() == ["run", "mode", "size", "job", "reason"]
    assert ROWS[0][4] in lines(None)[2]


@pytest.mark.parametrize("line", range(28, 120))
def test_lines_are_never_longer_than_the_terminal(line):
    made = lines(line)
    assert max(map(len, made)) <= line
    assert {"run", "mode", "reason"} <= set(made[0].split())


def test_columns_go_in_order_before_texts_are_cut_to_the_least():
    assert lines(39)[0].split() == ["run", "mode", "job", "reason"]
    assert lines(32)[0].split() == ["run", "mode", "reason"]
    assert "…" in lines(39)[2]


def test_a_column_that_is_empty_everywhere_is_left_out():
    made = terminal.table(COLUMNS, [["000932", "led", "", "17", ""]], line=None)
    assert made.splitlines()[0].split() == ["run", "mode", "job"]


def test_what_would_command_the_terminal_is_shown_instead():
    made = terminal.table(COLUMNS, [["1", "a\x1b[2Jb", "", "", "ü\r\n"]], line=None)
    assert "a\\x1b[2Jb" in made
    assert "ü\\r\\n" in made


@pytest.mark.parametrize(
    ("is_terminal", "no_color", "term", "expected"),
    [
        (True, None, "xterm", True),
        (True, "", "xterm", True),
        (True, "1", "xterm", False),
        (True, None, "dumb", False),
        (False, None, "xterm", False),
    ],
)
def test_colour_only_where_it_is_wanted(monkeypatch, is_terminal, no_color, term, expected):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert (terminal.coloured("failed", "red") != "failed") is expected


def test_colour_does_not_change_the_layout(monkeypatch):
    plain = terminal.table(COLUMNS, ROWS, line=50, colours=["red", None])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = terminal.table(COLUMNS, ROWS, line=50, colours=["red", None])
    assert made != plain
    assert re.sub(r"\x1b\[\d+m", "", made) == plain


def test_lines_with_colours_are_clipped_and_wrapped_by_what_is_seen():
    line = "5 runs: \x1b[31m3 failed\x1b[0m, \x1b[32m2 done\x1b[0m"
    assert terminal.clip(line, 10) == "5 runs: \x1b[31m3 \x1b[0m\x1b[32m\x1b[0m"
    assert terminal.clip(line, 99) == line
    assert terminal.wrap_list(line, 20) == [
        "5 runs: \x1b[31m3 failed\x1b[0m,",
        "  \x1b[32m2 done\x1b[0m",
    ]
    assert terminal.wrap_list(line, 99) == [line]
