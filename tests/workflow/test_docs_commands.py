"""Every command in the documents is run, as it stands there, at a site prepared for it.

Commands are the lines of blocks marked ``sh``, and whatever in the text begins with one of our
programs. What cannot run here is listed with the reason; a command that is neither run nor listed
fails, and so does a reason that nobody needs any more.
"""

import os
import pty
import re
import secrets
import shlex
import subprocess
from pathlib import Path

import pytest

from site_for_tests import PROFILE, SNAKEMAKE, XAMSFLOW, Site
from xamsflow.state import layout

DOCUMENTS = [
    layout.REPOSITORY / "README.md",
    layout.REPOSITORY / "CONTRIBUTING.md",
    layout.REPOSITORY / "config" / "README.md",
    *(
        document
        for part in ("tutorial", "how-to", "reference", "explanation")
        for document in sorted((layout.REPOSITORY / "docs" / part).glob("*.md"))
    ),
]

OURS = ("xamsflow", ".venv/bin/xamsflow", "snakemake", "make", "python", ".venv/bin/python")

NOT_HERE = {
    r"make (install|demo|test|test-htcondor|physics|lint|format|lock|bench|faults|.*scale.*)": (
        "installs, or takes minutes; each is a target of the Makefile, which is tested"
    ),
    r"(\.venv/bin/)?python .*": "examples and tools have tests of their own",
    r"\.venv/bin/xamsflow demo.*": "a test of its own",
    r"xamsflow watch.*": "does not end; tests of its own",
    r"xamsflow (pend|verify|why)": "the verb as such, which needs runs",
    r".*….*": "an abbreviation, not a command",
}
"""Patterns of commands that are not run here, and why."""

EXIT_CODES = {
    r"xamsflow doctor.*": (0, 1),  # what it says depends on this machine, as free space
    r"xamsflow doctor --notify": (1,),  # nobody is to be told at this site
    r"xamsflow reconcile.*": (0, 1),  # 1: something disagrees
    r"xamsflow (hold|release|retry|reprocess|abandon|verify|why).*": (
        0,
        1,
    ),  # 1: not in such a state
}
"""Of those that may say no; all others must end with 0."""


def commands() -> list[str]:
    found = set()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                command = re.sub(r"(^|\s+)#.*", "", line).strip()
                if command:
                    found.add(command)
        prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
        for inline in re.findall(r"`([^`\n]+)`", prose):
            if inline.split()[0] in OURS and " " in inline:
                found.add(inline)
    return sorted({same(command) for command in found})


def same(command: str) -> str:
    """Return the command in the one form in which it is run: a run that is there, our settings."""
    command = re.sub(r"<run>|\bRUN\b|<number>", "932", command)
    return re.sub(r" --configfile (site|my)\.yaml", "", command)


def reason(command: str) -> str | None:
    return next((why for what, why in NOT_HERE.items() if re.fullmatch(what, command)), None)


RUN_HERE = [command for command in commands() if reason(command) is None]


@pytest.fixture(scope="module")
def site(tmp_path_factory, mongod):
    """A site as the documents have it: runs 932 and 933, done."""
    site = Site(tmp_path_factory.mktemp("docs"), mongod.uri, f"test_{secrets.token_hex(6)}")
    for number in (932, 933):
        site.add_run(number)
    assert site.snakemake().returncode == 0
    site.documents = site.all_documents()
    return site


@pytest.fixture(autouse=True)
def as_it_was(request):
    """Let no command see what another one has done to the run documents."""
    if "site" in request.fixturenames:
        site = request.getfixturevalue("site")
        site.collection.delete_many({})
        site.collection.insert_many(site.documents)


def words(command: str, site: Site) -> list[str]:
    """Return the command as it is run here: this site's settings, no batch system."""
    program, *rest = [*shlex.split(command), "--configfile", str(site.configfile)]
    if program == "snakemake":
        # Each profile with a batch system has its tests on a real one.
        local = [re.sub(r"^profiles/\w+$", str(PROFILE), word) for word in rest]
        if "--profile" not in local:
            local += ["--profile", str(PROFILE)]
        return [str(SNAKEMAKE), "--snakefile", str(layout.SNAKEFILE), *local]
    assert program == "xamsflow", f"{command}: run it here, or say in NOT_HERE why not"
    return [str(XAMSFLOW), *rest]


def test_there_are_commands():
    assert len(RUN_HERE) > 15


@pytest.mark.parametrize("command", RUN_HERE)
def test_a_command_of_the_documents_does_what_it_should(command, site):
    person, terminal = pty.openpty()
    try:
        os.write(person, b"y\n")  # for verbs that ask
        done = subprocess.run(
            words(command, site),
            cwd=site.work,
            capture_output=True,
            text=True,
            check=False,
            stdin=terminal,
            timeout=300,
        )
    finally:
        os.close(person)
        os.close(terminal)
    codes = [codes for what, codes in EXIT_CODES.items() if re.fullmatch(what, command)]
    assert done.returncode in (codes[-1] if codes else (0,)), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "usage: " not in done.stderr


def test_targets_of_make_are_there():
    makefile = (layout.REPOSITORY / "Makefile").read_text()
    for command in commands():
        program, *targets = command.split()
        if program == "make":
            for target in targets:
                assert f"\n{target}:" in makefile, command


def test_every_block_says_what_it_is():
    """A block without a language could hide commands from this test."""
    for document in DOCUMENTS:
        fences = re.findall(r"^ *```(.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
        assert all(fences[::2]), f"{document.name}: mark commands as sh, all else as text"


def test_every_reason_is_needed():
    for pattern in NOT_HERE:
        assert any(re.fullmatch(pattern, command) for command in commands()), pattern


def test_every_verb_is_in_the_documents():
    from xamsflow import cli  # noqa: PLC0415

    told = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    for verb in set(cli.VERBS) - {"demo", "simulate"}:  # of make demo, and of developers
        assert re.search(rf"\bxamsflow {verb}\b", told), verb


def test_paths_named_in_the_documents_are_there():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:\s]+)\)", document.read_text(encoding="utf-8")):
            assert (Path(document).parent / link).exists(), f"{document.name}: {link}"
