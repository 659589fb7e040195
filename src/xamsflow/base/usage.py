"""What a process has used, in the format of Snakemake's benchmark files.

Snakemake itself measures only processes below its own, and a fork of the fork server is not.
"""

import csv
import resource
import time
from dataclasses import dataclass
from pathlib import Path

COLUMNS = (
    "s",
    "h:m:s",
    "max_rss",
    "max_vms",
    "max_uss",
    "max_pss",
    "io_in",
    "io_out",
    "mean_load",
    "cpu_time",
)


def write(path: Path, began: float) -> None:
    """Write what this process and those that it started have used since `began`.

    `began` is of `time.monotonic`. The columns have Snakemake's names: times in s, the largest
    memory of one process (`max_rss`) in MB, the load in percent of a core, NA for what is not
    measured. Raises OSError.
    """
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    wall_s = time.monotonic() - began
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    minutes, seconds = divmod(int(wall_s), 60)
    known = {
        "s": f"{wall_s:.4f}",
        "h:m:s": f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}",
        "max_rss": f"{max(own.ru_maxrss, others.ru_maxrss) / 1024:.2f}",
        "mean_load": f"{100 * cpu_s / wall_s:.2f}" if wall_s > 0 else "NA",
        "cpu_time": f"{cpu_s:.2f}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (COLUMNS, [known.get(column, "NA") for column in COLUMNS])
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


@dataclass(frozen=True)
class Usage:
    """What a job has used: CPU and wall time in s."""

    cpu_s: float
    wall_s: float


def read(path: Path) -> Usage | None:
    """Return what a job has used; None if that was not recorded."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return Usage(cpu_s=float(row["cpu_time"]), wall_s=float(row["s"]))
    except (KeyError, OSError, StopIteration, TypeError, ValueError):
        return None
