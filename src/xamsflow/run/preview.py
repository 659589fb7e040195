"""The jobs that Snakemake would run, as its own dry run reports them through the logger plugin."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xamsflow.base import caches
from xamsflow.base.errors import ConfigurationError
from xamsflow.run import start
from xamsflow.state import layout

PIPE_VARIABLE = "XAMSFLOW_PREVIEW_FD"
"""Number of the file descriptor to which the logger plugin writes each job of a dry run."""


@dataclass(frozen=True)
class Job:
    """A job that would run, with the resources it would request: MB of memory, minutes, threads."""

    rule: str
    run: str
    data_type: str | None
    mem_mb: int | None
    runtime_min: int | None
    threads: int


def jobs(
    profile: Path, configfiles: Sequence[Path], targets: Sequence[str], select: Mapping[str, Any]
) -> list[Job]:
    """Return the jobs of a dry run for `targets`, or for all pending runs if there are no targets.

    `select` overrides keys of the selection. Raises ConfigurationError with Snakemake's own message
    if the dry run fails.
    """
    arguments = [*targets, "--dry-run"]
    if select:
        arguments += ["--config", f"select={json.dumps(select)}"]
    theirs, ours = os.pipe()
    with open(theirs, encoding="utf-8") as told:  # noqa: PTH123 - a descriptor
        try:
            process = subprocess.Popen(
                start.snakemake(profile, configfiles, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=(ours,),
                env=caches.environment(layout.CACHES) | {PIPE_VARIABLE: str(ours)},
            )
        finally:
            os.close(ours)
        # Both pipes are read at the same time, or a full one would block Snakemake.
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(told))
        reader.start()
        said, _ = process.communicate()
        reader.join()
    if process.returncode:
        own = [line for line in said.splitlines() if line.startswith("xamsflow: ")]
        last = own or [line for line in said.splitlines() if line.strip()][-1:]
        raise ConfigurationError(
            "the dry run failed: " + " ".join(last).removeprefix("xamsflow: "),
            "" if own else f"{start.typed(str(profile), '-n', configfiles=configfiles)} shows more",
        )
    return [Job(**json.loads(line)) for line in lines]


def tell(rule: str, wildcards: Mapping[str, str], resources: Any, threads: int) -> None:
    """Write a job of a dry run to the pipe, if there is one; called by the logger plugin."""
    number = os.environ.get(PIPE_VARIABLE)
    if number is None or "run_id" not in wildcards:
        return
    job = {
        "rule": rule,
        "run": wildcards["run_id"],
        "data_type": wildcards.get("data_type"),
        "mem_mb": _number(resources, "mem_mb"),
        "runtime_min": _number(resources, "runtime"),
        "threads": threads,
    }
    os.write(int(number), (json.dumps(job) + "\n").encode())


def _number(resources: Any, name: str) -> int | None:
    value = resources.get(name, None)
    return value if isinstance(value, int) else None
