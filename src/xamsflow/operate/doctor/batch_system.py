"""The batch system of a profile: are its commands here, and does it answer?"""

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
    """Check the commands of a profile's batch system; a profile without one needs none."""
    system = system_of(profile)
    if system is None:
        yield ok("batch system", f"{profile.name}: none, jobs run on this host")
        return
    missing = [command for command in COMMANDS[system] if shutil.which(command) is None]
    if missing:
        yield problem(
            "batch system",
            f"{profile.name}: no command {', '.join(missing)} on this host",
            "log in to a host that has it, or choose another profile",
        )
        return
    yield answers(profile.name, system)


def answers(name: str, system: str) -> Result:
    """Ask the batch system for this user's jobs."""
    try:
        jobs = systems.named(system).alive()
    except systems.Unreachable as error:
        return problem(
            "batch system", f"{name}: does not answer ({error})", "wait, or ask its administrator"
        )
    commands = ", ".join(COMMANDS[system])
    return ok("batch system", f"{name}: {commands} are here; you have {len(jobs)} jobs")


def system_of(profile: Path) -> str | None:
    """Return the batch system that a profile's submit program is for, None without one."""
    submit = profile / "submit"
    if not submit.is_file():
        return None
    match = SYSTEM.search(submit.read_text(encoding="utf-8"))
    if match is None or match[1] not in COMMANDS:
        raise ConfigurationError(f"{submit} names no batch system", "take one of this repository")
    return match[1]
