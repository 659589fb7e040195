import json

import pytest

from xamsflow.batch import request

COMMAND = (
    "cd /w && python -m snakemake --snakefile '/r/Snakefile' --target-jobs {} "
    "--allowed-rules process --local-groupid 'x' && exit 0 || exit 1"
)


def script(properties: dict[str, object], *targets: str) -> str:
    named = " ".join(f"'{target}'" for target in targets)
    return f"#!/bin/sh\n# properties = {json.dumps(properties)}\nmarker=\n{COMMAND.format(named)}\n"


def test_a_rule_s_job() -> None:
    found = request.read(
        script(
            {
                "rule": "process",
                "threads": 2,
                "resources": {"mem_mb": 3000, "mem": "3 GB", "runtime": 60, "disk_mb": "<TBD>"},
            },
            "process:run_id=000932,data_type=event_basics",
        )
    )
    assert found.name == "process-000932-event_basics"
    assert found.targets == ["process:data_type=event_basics,run_id=000932"]
    assert (found.cores, found.memory_mb, found.runtime_min) == (2, 3000, 60)


def test_a_group_is_named_after_what_its_jobs_share() -> None:
    found = request.read(
        script(
            {"groupid": "run", "resources": {"mem_mb": "<TBD>"}},
            "process:run_id=000932,data_type=event_basics",
            "transfer:run_id=000932",
        )
    )
    assert found.name == "run-000932"
    assert len(found.members) == 2
    assert (found.cores, found.memory_mb, found.runtime_min) == (1, None, None)


def test_values_may_hold_a_comma_and_names_get_none() -> None:
    found = request.read(script({"rule": "a"}, 'a:x="1,2",y=b/c'))
    assert found.members == [("a", {"x": "1,2", "y": "b/c"})]
    assert found.name == "a-1-2-b-c"


@pytest.mark.parametrize("text", ["#!/bin/sh\ntrue\n", "# properties = {}\ntrue\n"])
def test_other_scripts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no line"):
        request.read(text)
