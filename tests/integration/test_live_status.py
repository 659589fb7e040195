"""`xamsflow status --watch` at a real terminal, with a real run database that goes and returns."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from person_at_terminal import Terminal
from servers.mongod import Mongod, restartable
from site_for_tests import XAMSFLOW, Site
from xamsflow.views import screen


@pytest.fixture
def mongod_of_its_own(tmp_path: Path) -> Iterator[Mongod]:
    with restartable(tmp_path / "mongod") as server:
        yield server


@pytest.fixture
def watched(mongod_of_its_own: Mongod, tmp_path: Path) -> Site:
    """A site with one run that fails and many others, one of them hostile."""
    uri = mongod_of_its_own.server.uri
    site = Site(tmp_path / "site", f"{uri}/?serverSelectionTimeoutMS=2000", "test")
    site.collection.insert_many(
        [
            {"number": 932, "mode": "bg", "processing_status": "pending"},
            {"number": 931, "mode": "\x1b[2J\x1b[1mevil\n", "processing_status": "failed",
             "processing": {"reason": "the \x1b[31mdisk\r is full", "failure": "resources"}},
            *({"number": n, "mode": "bg", "processing_status": "done"} for n in range(900, 931)),
        ]
    )  # fmt: skip
    return site


def at_terminal(site: Site, **more: str) -> Terminal:
    command = [XAMSFLOW, "status", "--watch", "--configfile", site.configfile]
    environment = {**os.environ, "TERM": "xterm", **more}
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    return Terminal([*command, "--directory", site.work], env=environment)


def line_of(run: str) -> Callable[[list[str]], str]:
    return lambda shown: next((line for line in shown if run in line[:10]), "")


def test_a_person_watches_runs(watched: Site, mongod_of_its_own: Mongod) -> None:
    with at_terminal(watched, NO_COLOR="1") as terminal:
        shown = terminal.wait_until(line_of("000932"))
        assert terminal.said.startswith(screen.ENTER)
        assert shown[1].startswith("33 runs in test.runs_new")
        assert shown[1].endswith(": 1 pending, 1 failed, 31 done")
        assert "q quits" in shown[0]
        assert len(shown) <= 24
        assert max(map(len, shown)) <= 80
        assert "\\x1b[2J" in line_of("000931")(shown), "it is printed, not obeyed"
        assert "\x1b[31m" not in terminal.said, "NO_COLOR"
        assert not any(line.startswith("*") for line in shown)

        # What changes is marked.
        watched.collection.update_one(
            {"number": 932}, {"$set": {"processing_status": "running", "processing.stage": "x"}}
        )
        shown = terminal.wait_until(lambda shown: "running" in line_of("000932")(shown))
        assert [line[:9] for line in shown if line.startswith("*")] == ["*  000932"]

        # The window changes its size, and less is shown.
        terminal.resize(40, 10)
        terminal.wait_until(
            lambda shown: (
                len(shown) <= 10 and max(map(len, shown)) <= 40 and line_of("000932")(shown)
            )
        )

        # The run database goes and returns.
        mongod_of_its_own.stop()
        shown = terminal.wait_until(lambda shown: "NO RUN DATABASE since" in shown[0])
        assert line_of("000932")(shown), "the last table stays"
        mongod_of_its_own.start()
        terminal.resize(80, 24)
        terminal.wait_until(lambda shown: "NO RUN DATABASE" not in shown[0])

        # Ctrl-Z gives the terminal back, until it is continued.
        terminal.type("\x1a")
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        assert terminal.has_its_mode_back()
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_until(lambda _: terminal.said.count(screen.ENTER) == 2)
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.said.endswith(screen.LEAVE)
        assert terminal.has_its_mode_back()


@pytest.mark.parametrize(("end", "code"), [("\x03", 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_the_terminal_is_given_back(watched: Site, end: str | signal.Signals, code: int) -> None:
    with at_terminal(watched) as terminal:
        terminal.wait_until(line_of("000932"))
        assert "\x1b[31mfailed\x1b[0m" in terminal.said
        assert not terminal.has_its_mode_back()
        if isinstance(end, str):
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.end() == code
        assert terminal.said.endswith(screen.LEAVE)
        assert terminal.has_its_mode_back()


def test_without_a_terminal_the_table_is_printed_again_when_it_changes(watched: Site) -> None:
    command = [XAMSFLOW, "status", "--watch", "932", "--configfile", watched.configfile]
    with subprocess.Popen(
        [*command, "--directory", watched.work], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        try:
            assert "000932" in next(line for line in lines if "pending" in line and "bg" in line)
            watched.collection.update_one(
                {"number": 932}, {"$set": {"processing_status": "failed"}}
            )
            assert "000932" in next(line for line in lines if "failed" in line and "bg" in line)
        finally:
            process.send_signal(signal.SIGINT)
        assert "\x1b" not in process.stdout.read()
    assert process.returncode == 130
    wrong = watched.verb("status", "--watch", "--json")
    assert (wrong.returncode, len(wrong.stderr.splitlines()[-1:])) == (2, 1)
    wrong = watched.verb("status", "--watch", "77")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("xamsflow: run 000077 is not in test.runs_new")
