"""The shell completes verbs and options, as a real bash does."""

import subprocess

import pytest

from xamsflow import cli

ASK = '_xamsflow; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("rep", {"reprocess"}),
        ("re", {"release", "retry", "reprocess", "retransfer", "reconcile"}),
        ("status --f", {"--failed"}),
        ("retry --", {"--configfile", "--directory", "--dry-run", "--failed", "--help", "--mode",
                      "--reason", "--tag", "--yes"}),
        ("show 9", {""}),
    ],
)  # fmt: skip
def test_bash_completes(words, completed, capsys):
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = f"COMP_WORDS=(xamsflow {words}); COMP_CWORD={len(words.split())}"
    said = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{typed}\n{ASK}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(said.stdout.rstrip("\n").split("\n")) == completed


def test_zsh_emulates_bash(capsys):
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert cli.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out == f"autoload -U +X bashcompinit && bashcompinit\n{script}"
