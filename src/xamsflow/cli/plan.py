"""Show what the workflow would do, run by run."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from xamsflow.base import amounts
from xamsflow.cli import choosing
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.state import layout
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.operate.plan import Experience, Room, RunPlan

HELP = "show what `snakemake` would do (bytes, data types, jobs, time, writes) without doing it"
ONLY_LOOKS = True

MANY = 20
"""Number of runs from which planning takes long enough to be announced."""

COLUMNS = (
    Column("run"),
    Column("mode", cut=8, drop=1),
    Column("to move", right=True),
    Column("from", drop=4),
    Column("to store", right=True),
    Column("to make", cut=24),
    Column("stored", right=True, drop=3),
    Column("memory", right=True, drop=2),
    Column("at most", right=True, drop=2),
    Column("expected", right=True),
    Column("trouble", cut=16),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the profile."""
    add = parser.add_argument
    add(
        "runs",
        nargs="*",
        metavar="RUN",
        help="run numbers and ranges, whatever their status [those that `snakemake` would process]",
    )
    add("--profile", metavar="NAME", help="a profile in profiles/, or a folder [watch.profile]")
    add("--writes", action="store_true", help="also list the changes to each run document")
    add("--json", action="store_true", help="print JSON (keys: docs/reference/json.md)")


def run(options: argparse.Namespace) -> int:
    """Print a line per run, newest first, then total space and time; return 1 if space is short."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.operate import plan  # noqa: PLC0415 - keeps --help fast
    from xamsflow.run import preview, selecting  # noqa: PLC0415 - keeps --help fast
    from xamsflow.settings import data_types, detector  # noqa: PLC0415 - keeps --help fast

    settings = config.load(options.configfile)
    settings = config.of_detector(settings, data_types.of(detector.load(settings.detector)))
    profile = start.profile_folder(options.profile or settings.watch.profile)
    with rundb.open_database(settings.rundb) as database:
        taken = [run.number for run in selecting.to_take(database, settings.select)]
        wanted = options.runs or [layout.run_id(number) for number in taken]
        found = choosing.in_database(wanted, database) if wanted else {}
        numbers, documents = [*found][::-1], [*found.values()][::-1]
    if len(numbers) >= MANY and sys.stderr.isatty():
        print(f"planning {len(numbers)} runs …", file=sys.stderr)
    targets, select = [], {}
    if options.runs:
        targets = [str(layout.rundoc_receipt(layout.run_id(number))) for number in numbers]
    else:
        select = {"runs": [layout.run_id(number) for number in numbers]}
    jobs = preview.jobs(profile, options.configfile, targets, select) if numbers else []
    experience = plan.learn()
    plans = plan.run_plans(documents, jobs, settings, experience)
    spaces = plan.spaces(plans, settings)
    if options.json:
        print(json.dumps(_as_json(plans, spaces, experience), indent=1))
    else:
        _print(plans, spaces, experience, writes=options.writes)
        left = [layout.run_id(number) for number in numbers if number not in taken]
        if left:
            print(
                f"`snakemake` would not process {' '.join(left)} now; xamsflow why RUN explains why"
            )
    return 0 if all(space.suffices for space in spaces) else 1


def _as_json(
    plans: "Sequence[RunPlan]", spaces: "Sequence[Room]", experience: "Experience"
) -> dict[str, object]:
    return {
        "runs": [asdict(plan) for plan in plans],
        "space": [
            {
                "folder": str(space.folder),
                "needed": space.needed,
                "free": space.free,
                "suffices": space.suffices,
            }
            for space in spaces
        ],
        "learned_from_runs": experience.n_runs,
    }


def _print(
    plans: "Sequence[RunPlan]",
    spaces: "Sequence[Room]",
    experience: "Experience",
    *,
    writes: bool,
) -> None:
    if not plans:
        print("No runs are waiting: `snakemake` would do nothing. xamsflow why RUN explains why.")
        return
    print(terminal.table(COLUMNS, [_cells(plan) for plan in plans], line=terminal.width()))
    print()
    for what, space in zip(("live data", "strax data"), spaces, strict=True):
        needed = "an unknown size" if space.needed is None else amounts.size(space.needed)
        said = "" if space.suffices else terminal.coloured("  DOES NOT FIT", "red")
        free = amounts.size(space.free)
        print(f"{what} in {space.folder}: {needed} required, {free} free{said}")
    known = [plan.seconds for plan in plans if plan.seconds is not None]
    of = f"estimated from {experience.n_runs} earlier run{'' if experience.n_runs == 1 else 's'}"
    if len(known) == len(plans):
        print(f"time: {amounts.duration(sum(known))} if processed one after the other, {of}")
    else:
        unknown = f"{len(plans) - len(known)} of {len(plans)} runs"
        print(f"time: unknown for {unknown}: no similar run has been processed yet")
    if writes:
        for plan in plans:
            print(f"\n{plan.run}: changes to its run document")
            for line in plan.writes:
                print(f"  {line}")


def _cells(plan: "RunPlan") -> list[str]:
    processing = [job for job in plan.jobs if job.rule == "process"]
    memory = max((job.mem_mb for job in processing if job.mem_mb), default=None)
    minutes = sum(job.runtime_min for job in plan.jobs if job.runtime_min)
    return [
        plan.run,
        plan.mode,
        amounts.size(plan.to_move) or "?",
        plan.source or "",
        amounts.size(plan.space) or "?",
        ", ".join(plan.to_make) or "nothing",
        str(len(plan.stored)),
        amounts.size(None if memory is None else memory * 1e6),
        amounts.duration(minutes * 60) if minutes else "",
        amounts.duration(plan.seconds) or "?",
        plan.trouble or "",
    ]
