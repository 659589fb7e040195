from pathlib import Path

import pytest

from xamsflow.batch import submit, systems
from xamsflow.state.layout import REPOSITORY

SCRIPT = """#!/bin/sh
# properties = {"rule": "process", "threads": 1, "resources": {}}
marker=
python -m snakemake --target-jobs process:run_id=000932 --force
"""


@pytest.mark.parametrize(("system", "command"), [("pbs", "qsub"), ("slurm", "sbatch")])
def test_a_host_without_the_commands_is_told_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    system: str,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(systems.NotHere, match=f"{command} not found"):
        systems.ask([command], 1)
    (tmp_path / "script").write_text(SCRIPT)
    table = REPOSITORY / "profiles" / {"pbs": "stbc"}.get(system, system) / "queues.toml"
    assert submit.main(system, str(table), str(tmp_path / "script")) == 1
    assert f"{command} not found on this host: choose another profile" in capfd.readouterr().err
