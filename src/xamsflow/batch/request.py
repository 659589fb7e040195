"""Read a job's resource request from the job script that Snakemake has written."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

PROPERTIES = "# properties = "
TARGETS = "--target-jobs"
PROCESSED = "XAMSFLOW_RUNS_TO_PROCESS"
"""The variable that tells a batch job how many of its workflow jobs process a run."""


class Request(NamedTuple):
    """The targets and resources of a batch job; a resource that is not requested is None.

    `name` is safe in file names. `members` are its workflow jobs, by rule and wildcards; a group
    has several. `options` are a site's additional options for the batch system's command.
    """

    name: str
    members: Sequence[tuple[str, Mapping[str, str]]]
    cores: int
    memory_mb: int | None
    runtime_min: int | None
    options: Sequence[str] = ()

    @property
    def targets(self) -> list[str]:
        """The names of the workflow jobs in this batch job."""
        return [target(rule, wildcards) for rule, wildcards in self.members]


def target(rule: str, wildcards: Mapping[str, str]) -> str:
    """Return the name of a workflow job: its rule and wildcards."""
    values = ",".join(f"{key}={value}" for key, value in sorted(wildcards.items()))
    return f"{rule}:{values}"


def read(script: str) -> Request:
    """Return the request in a job script; raises ValueError if it contains none."""
    properties = re.search(f"^{PROPERTIES}(.*)$", script, flags=re.MULTILINE)
    command = re.search(f"^.*{TARGETS}.*$", script, flags=re.MULTILINE)
    if properties is None or command is None:
        raise ValueError(f"the job script has no line with {PROPERTIES!r} or {TARGETS!r}")
    return _request(json.loads(properties.group(1)), _members(command.group()))


def _members(command: str) -> list[tuple[str, dict[str, str]]]:
    """Return rules and wildcards from Snakemake's own command."""
    words = shlex.split(command)
    found = []
    for word in words[words.index(TARGETS) + 1 :]:
        if word.startswith("-"):
            break
        rule, _, values = word.partition(":")
        # A value that contains a comma is quoted.
        wildcards = re.findall(r'(\w+)=(?:"([^"]*)"|([^,]*))', values)
        found.append((rule, {key: quoted or plain for key, quoted, plain in wildcards}))
    return found


def _request(
    properties: Mapping[str, Any], members: Sequence[tuple[str, dict[str, str]]]
) -> Request:
    resources = properties.get("resources") or {}
    return Request(
        name=_name(str(properties.get("rule") or properties.get("groupid")), members),
        members=members,
        cores=max(1, int(properties.get("threads") or 1)),
        memory_mb=_amount(resources.get("mem_mb")),
        runtime_min=_amount(resources.get("runtime")),
    )


def _amount(value: Any) -> int | None:
    """Return a number of megabytes or minutes; Snakemake writes <TBD> for unknown values."""
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


def _name(rule: str, members: Sequence[tuple[str, dict[str, str]]]) -> str:
    """Return the name of the rule or group, with the wildcard values common to all its jobs."""
    shared = [list(wildcards.values()) for _, wildcards in members]
    values = [value for value in shared[0] if all(value in other for other in shared)]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join([rule, *values])).strip("-.")[:100]
