"""What a profile's batch system needs on this host, checked before any run is claimed."""

import re
import shutil
from pathlib import Path

from xamsflow.base.errors import ConfigurationError

COMMANDS = {
    "pbs": ("qsub", "qstat", "qdel"),
    "slurm": ("sbatch", "squeue", "scontrol", "scancel"),
    "htcondor": ("condor_submit", "condor_q", "condor_history", "condor_rm"),
}

_SYSTEM = re.compile(r"^\s*(?:program|system=)\s*(\w+)", re.MULTILINE)


def system_of(submit: Path) -> str | None:
    """Return the batch system that a profile's submit program is for, None without a program."""
    if not submit.is_file():
        return None
    match = _SYSTEM.search(submit.read_text(encoding="utf-8"))
    if match is None or match[1] not in COMMANDS:
        raise ConfigurationError(
            f"{submit} does not name a batch system", "use a profile from this repository"
        )
    return match[1]


def missing(system: str) -> list[str]:
    """Return the commands of a batch system that this host lacks."""
    return [command for command in COMMANDS[system] if shutil.which(command) is None]


def check(submit: Path) -> None:
    """Raise ConfigurationError if this host lacks commands that a submit program's system needs."""
    system = system_of(submit)
    if system is not None and (lacking := missing(system)):
        raise ConfigurationError(
            f"profile {submit.parent.name}: {', '.join(lacking)} not found on this host, so no run "
            "is claimed",
            "log in to a submit host, or choose another profile",
        )
