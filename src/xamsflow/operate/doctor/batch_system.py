"""Check the batch system of a profile: its commands, and whether it answers."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.batch import systems
from xamsflow.operate.doctor.check import Result, ok, problem

COMMANDS = {
    "pbs": ("qsub", "qstat", "qdel"),
    "slurm": ("sbatch", "squeue", "scontrol", "scancel"),
    "htcondor": ("condor_submit", "condor_q", "condor_history", "condor_rm"),
}

SYSTEM = re.compile(r"^\s*(?:program|system=)\s*(\w+)", re.MULTILINE)


def examine(profile: Path) -> Iterator[Result]:
    """Check the commands of a profile's batch system, if it has one."""
    system = system_of(profile)
    if system is None:
        yield ok("batch system", f"{profile.name}: none, jobs run on this host")
        return
    missing = [command for command in COMMANDS[system] if shutil.which(command) is None]
    if missing:
        yield problem(
            "batch system",
            f"{profile.name}: {', '.join(missing)} not found on this host",
            "log in to a submit host, or choose another profile",
        )
        return
    yield answers(profile.name, system)


def answers(name: str, system: str) -> Result:
    """Query this user's jobs from the batch system."""
    try:
        jobs = systems.named(system).alive()
    except systems.Unreachable as error:
        return problem(
            "batch system", f"{name}: does not answer ({error})", "wait, or ask its administrator"
        )
    commands = ", ".join(COMMANDS[system])
    return ok("batch system", f"{name}: found {commands}; your jobs: {len(jobs)}")


def system_of(profile: Path) -> str | None:
    """Return the batch system that a profile's submit program is for, None without one."""
    submit = profile / "submit"
    if not submit.is_file():
        return None
    match = SYSTEM.search(submit.read_text(encoding="utf-8"))
    if match is None or match[1] not in COMMANDS:
        raise ConfigurationError(
            f"{submit} does not name a batch system", "use a profile from this repository"
        )
    return match[1]
