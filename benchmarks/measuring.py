"""Whole processes, measured: wall time, peak memory, what they printed."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xamsflow.state import layout
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

POLL_S = 0.005
"""Time between looks at a process; what it takes at most after the last one is not seen."""

RESULTS = layout.REPOSITORY / "bench"


@dataclass(frozen=True)
class Measured:
    """One process: its wall time, its peak memory, its output."""

    seconds: float
    memory_mb: float
    output: str


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU time of processes and of their children that have ended (s)."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(time) for time in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def table(rows: Sequence[Mapping[str, Any]], *, decimals: int = 2) -> str:
    """Return a table with a line per row, which has the keys of all rows as columns."""

    def cell(value: Any) -> str:
        return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)

    names = dict.fromkeys(name for row in rows for name in row)
    columns = [
        Column(name, right=not any(isinstance(row.get(name), str) for row in rows))
        for name in names
    ]
    cells = [[cell(row.get(name, "")) for name in names] for row in rows]
    return terminal.table(columns, cells, line=None)


def process(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run a command to its end; raises CalledProcessError with what it said if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=os.environ | dict(environment or {}),
        )
        memory_mb = 0.0
        while child.poll() is None:
            memory_mb = _peak_memory_mb(child.pid) or memory_mb
            time.sleep(POLL_S)
        seconds = time.perf_counter() - start
        output.seek(0)
        said = output.read()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args, said[-3000:])
    return Measured(seconds, memory_mb, said)


def until(words: Sequence[str], *command: str | Path) -> Measured:
    """Run a command until it says one of these words, and kill it there with all it has started.

    Raises CalledProcessError where it ends without.
    """
    start = time.perf_counter()
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    said = ""
    try:
        for line in child.stdout:
            said += line
            if any(word in line for word in words):
                seconds = time.perf_counter() - start
                return Measured(seconds, _peak_memory_mb(child.pid) or 0.0, said)
        raise subprocess.CalledProcessError(child.wait(), child.args, said[-3000:])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _peak_memory_mb(pid: int) -> float | None:
    # Not of getrusage: there a process begins with the peak of the one that started it.
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return None


def alternately(
    repeats: int, contestants: Mapping[str, Callable[[], Measured]]
) -> dict[str, list[Measured]]:
    """Measure each contestant in turn, `repeats` times, after one turn that fills caches."""
    measured: dict[str, list[Measured]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, contestant in contestants.items():
            one = contestant()
            if turn:
                measured[name].append(one)
    return measured


def median(measured: Sequence[Measured]) -> float:
    """Return the median wall time (s)."""
    return statistics.median(one.seconds for one in measured)


def memory(measured: Sequence[Measured]) -> float:
    """Return the median of the peak memory (MB)."""
    return statistics.median(one.memory_mb for one in measured)


def write(name: str, results: object) -> None:
    """Write results as ``bench/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to {file}")
