"""Run commands of the batch system with a time limit."""

import os
import subprocess
from collections.abc import Sequence
from typing import NamedTuple


class Answer(NamedTuple):
    """The output of a command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All output; Slurm's wrappers print errors to standard output."""
        return f"{self.out}\n{self.err}".strip()


SECRET_VARIABLES = frozenset({"MONGO_USER", "MONGO_PASSWORD"})
"""Never passed on: batch systems store a submission's environment and may show it to others."""


class CommandMissingError(Exception):
    """The command is not installed on this host."""


class CommandTimeoutError(Exception):
    """The command did not respond in time."""


def run(command: Sequence[str], *, timeout_s: float, text: str = "") -> Answer:
    """Run a command, with messages in English.

    Ctrl-C at the terminal does not reach it; otherwise it could end after a submission but before
    printing the batch job's number.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES
    } | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env=environment,
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandMissingError(f"{command[0]} not found on this host") from error
    except subprocess.TimeoutExpired as error:
        raise CommandTimeoutError(f"{command[0]} did not respond within {timeout_s:g} s") from error
    return Answer(done.returncode, done.stdout, done.stderr)
