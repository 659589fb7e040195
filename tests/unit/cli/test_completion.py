"""The shell completes commands and options, as a real bash does."""

import subprocess

import pytest

from servers import programs
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


def test_zsh_completes_as_bash_does_even_without_completion_of_its_own(tmp_path, capsys):
    assert cli.main(["completion", "zsh"]) == 0
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    said = subprocess.run(
        [programs.needed("zsh"), "-f", "-c", f"source {script}; print -r -- $_comps[xamsflow]"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (said.stdout, said.stderr) == ("_bash_complete -o default -F _xamsflow\n", "")
