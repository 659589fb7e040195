import os
import subprocess
from pathlib import Path

import pytest

from xamsflow.batch import submissions, submit, systems
from xamsflow.batch.request import Request
from xamsflow.batch.systems import CANCELLED, OVER_MEMORY, OVER_TIME, End
from xamsflow.state.layout import REPOSITORY

JOB_SCRIPT = (
    (REPOSITORY / "profiles/common/jobscript.sh")
    .read_text()
    .format(properties="{}", exec_job="echo x >written")
)
WANTED = Request("process-000932", [("process", {"run_id": "000932"})], 1, 3000, 60)


@pytest.mark.parametrize(
    ("end", "memory_mb", "runtime_min"),
    [
        (OVER_TIME, 3000, 120),
        (OVER_MEMORY, 6000, 60),
        (systems.by_signal(9), 6000, 60),
        (CANCELLED, 3000, 60),
        (None, 3000, 60),
    ],
)
def test_more_is_asked_for_where_it_helps(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: End | None,
    memory_mb: int,
    runtime_min: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    earlier = submissions.new(WANTED)
    grown = submit.grown(WANTED, earlier, end)
    assert (grown.memory_mb, grown.runtime_min) == (memory_mb, runtime_min)


def jobs(rules: str, *runs: str) -> Request:
    return WANTED._replace(
        members=[(rule, {"run_id": run}) for run in runs for rule in rules.split()]
    )


@pytest.mark.parametrize(
    ("before", "now", "memory_mb"),
    [
        (jobs("transfer process publish", "1"), jobs("process publish", "1"), 6000),
        (jobs("transfer process", "1", "2"), jobs("process", "1", "2"), 6000),
        (jobs("transfer process", "1", "2"), jobs("process", "1"), 3000),
    ],
)
def test_what_several_runs_lacked_does_not_raise_what_one_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Request, now: Request, memory_mb: int
) -> None:
    monkeypatch.chdir(tmp_path)
    earlier = submissions.new(before)
    assert submit.grown(now, earlier, OVER_MEMORY).memory_mb == memory_mb


def test_what_the_rule_asks_for_is_not_made_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    earlier = submissions.new(WANTED)
    grown = submit.grown(WANTED._replace(memory_mb=9000), earlier, OVER_MEMORY)
    assert grown.memory_mb == 9000


def test_each_submission_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = submissions.new(WANTED), submissions.new(WANTED)
    assert first.folder != second.folder
    newest = submissions.newest("process:run_id=000932")
    assert newest is not None
    assert newest.folder == second.folder


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_what_a_job_writes_has_the_rights_that_the_submitter_gives(
    tmp_path: Path, mask: int
) -> None:
    """Also where the node's daemon starts it with another umask."""
    before = os.umask(mask)
    try:
        script = tmp_path / "script"
        script.write_text(submit.with_marker(JOB_SCRIPT, tmp_path / "exit", WANTED))
        os.umask(0o077 if mask != 0o077 else 0o022)
        subprocess.run(["sh", str(script)], cwd=tmp_path, check=True)
    finally:
        os.umask(before)
    for name in ("written", "exit"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_batch_job_runs_its_workflow_jobs_one_at_a_time_and_goes_on_after_failures() -> None:
    script = "#!/bin/sh\nmarker=\npython -m snakemake --target-jobs process:run_id=1 --cores all\n"
    filled = submit.with_marker(script, Path("exit"), WANTED)
    assert "snakemake --keep-going --resources turn=1 --target-jobs process" in filled
    assert "\nexport XAMSFLOW_RUNS_TO_PROCESS=1\n" in filled


def test_the_marker_is_quoted() -> None:
    script = "#!/bin/sh\n# properties = {}\nmarker=\ntrue\n"
    filled = submit.with_marker(script, Path("/a b/exit"), WANTED)
    assert "\nmarker='/a b/exit'\n" in filled
