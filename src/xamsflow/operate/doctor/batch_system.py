"""Check the batch system of a profile: its commands, and whether it responds."""

from collections.abc import Iterator
from pathlib import Path

from xamsflow.batch import here, systems
from xamsflow.operate.doctor.check import Result, ok, problem


def examine(profile: Path) -> Iterator[Result]:
    """Check the commands of a profile's batch system, if it has one."""
    system = here.system_of(profile / "submit")
    if system is None:
        yield ok("batch system", f"{profile.name}: none, jobs run on this host")
        return
    missing = here.missing(system)
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
            "batch system",
            f"{name}: does not respond ({error})",
            "try again later, or ask its administrator",
        )
    commands = ", ".join(here.COMMANDS[system])
    return ok("batch system", f"{name}: found {commands}; your jobs: {len(jobs)}")
