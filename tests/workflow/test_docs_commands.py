"""Every command in the documents is run as printed, in a working directory prepared for it.

Commands are the lines of blocks marked ``sh``, and whatever in the text begins with one of our
programs. A shell runs each in a folder with a ``site.yaml`` and links to what a checkout holds. Two
things differ from a real site: the profiles of batch systems lead to ``profiles/local``, as each
batch system has tests of its own, and the programs are forks (`servers.forks`). What cannot run
here is listed with the reason; a command that is neither run nor listed fails, and so does a reason
that is no longer needed.
"""

import contextlib
import os
import pty
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import forks
from site_for_tests import PROFILE, SNAKEMAKE, Site
from xamsflow.analysis.health import judging
from xamsflow.operate.campaigns import ACTIONS
from xamsflow.settings import config
from xamsflow.state import campaigns, compared, layout, lineages, quantities, receipts, strax_folder
from xamsflow.state.quantities import Quantities, Quantity

pytestmark = pytest.mark.xdist_group("docs_commands")  # its tests share costly fixtures

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

OURS = (
    "source",
    "xamsflow",
    ".venv/bin/xamsflow",
    "snakemake",
    "make",
    "python",
    ".venv/bin/python",
)

NOT_HERE = {
    r"make [a-z-]+": "takes minutes; each is a target of the Makefile, which is tested",
    r"(\.venv/bin/)?python .*": "examples and tools have tests of their own",
    r"\.venv/bin/xamsflow demo.*": "a test of its own",
    r"source .*": "activates the environment, as this test does",
    r"xamsflow init.*": "asks; tests of its own",
    r"xamsflow display.*": "the run has raw records only; tests of its own",
    r"xamsflow (gains|lifetime).*": "of runs of XAMS; tests of their own",
    r"xamsflow watch.*": "does not end; tests of its own",
    r"ssh -L .*": "shows the page of another host until it is stopped",
    r"xamsflow retransfer.*": "moves the files that other commands need; a test of its own",
    r"xamsflow (pend|retry|reprocess|verify)( --force)?": "the verb as such, which needs runs",
    r".*….*": "an abbreviation, not a command",
}
"""Patterns of commands that are not run here, and why."""

EXIT_CODES = {
    # There is no HTCondor on this machine, and doctor says so.
    "xamsflow doctor --profile htcondor": 1,
    # Run 940 of the campaign has no data.
    "xamsflow compare gains-2026": 1,
}
"""Exit codes of commands that find something wrong; all others must exit with 0."""


EARLIER = "abcdefghij"
"""The hash of an earlier lineage."""


def failed(site: Site) -> None:
    site.collection.update_one({"number": 932}, {"$set": {"processing_status": "failed"}})


def held(site: Site) -> None:
    site.collection.update_one({"number": 932}, {"$push": {"tags": {"name": "hold-processing"}}})


def drawn(site: Site) -> None:
    made = run("snakemake results/000932/overview.png --profile profiles/local", site)
    assert made.returncode == 0, made.stdout


def judged(site: Site) -> None:
    """Runs 932 and 933 have quantities, and 932 is odd."""
    with contextlib.chdir(site.work):
        for number in range(917, 934):
            run, value = layout.run_id(number), 9.0 if number == 932 else 2.0
            noise = {"noise_ch0": Quantity(value, 0.1, "ADC counts", "noise")}
            quantities.write(Quantities(run, "xamsl", "mode", 0, 1, "", {}, noise))
        judging.judge_again(f"{number:06d}" for number in range(917, 934))


def measured(site: Site) -> None:
    if not (site.work / "results" / "000932" / "quantities.json").exists():
        assert site.verb("quantities", "--backfill").returncode == 0


def stored_twice(site: Site) -> None:
    """Run 932 has data of two lineages."""
    with contextlib.chdir(site.work):
        processed = config.load([]).storage.processed
        for data_type, one in lineages.published(processed, "000932").items():
            new = lineages.folder(processed, "000932", data_type, one)
            old = lineages.folder(processed, "000932", data_type, EARLIER)
            shutil.copytree(new, old, dirs_exist_ok=True)
            shutil.copy(strax_folder.metadata_file(new), strax_folder.metadata_file(old))


def remade(site: Site) -> None:
    """Run 932 has earlier data, which are kept in force, and was compared."""
    stored_twice(site)
    with contextlib.chdir(site.work):
        processed = config.load([]).storage.processed
        new = lineages.published(processed, "000932")
        old = dict.fromkeys(new, EARLIER)
        path = layout.lineage_file(processed, "000932")
        about = {"run_id": "000932", "by": "ann", "time": "2026-11-28T12:00:00+00:00"}
        kept = {"version": 1, "earlier": old, "accepted": False, "reason": "", **about}
        receipts.write(path, kept)
        compared.write(compared.Compared("000932", old, new, "index.html", about["time"]))


def without_earlier_data(site: Site) -> None:
    """Undo what :func:`remade` and :func:`stored_twice` did."""
    with contextlib.chdir(site.work):
        processed = config.load([]).storage.processed
        layout.lineage_file(processed, "000932").unlink(missing_ok=True)
        for folder in processed.glob(f"*-{EARLIER}"):
            shutil.rmtree(folder)


def campaign(phase: campaigns.Phase | None) -> Callable[[Site], None]:
    """Return what makes run 940 one that has no data, and a campaign of it and run 932."""

    def prepare(site: Site) -> None:
        document = site.document(932) | {"number": 940}
        del document["_id"]
        site.insert(document)
        remade(site)
        if phase is not None:
            mark = {"processing.campaign": {"name": "gains-2026"}}
            site.collection.update_one({"number": 932}, {"$set": mark})
        with contextlib.chdir(site.work):
            layout.campaign_file("gains-2026").unlink(missing_ok=True)
            if phase is not None:
                new = campaigns.new("gains-2026", (932, 940), (), "ann", "new gains")
                campaigns.write(new.after(phase, "start", "ann"))

    return prepare


PREPARATIONS: dict[str, Callable[[Site], None]] = {
    "retry": failed,
    "release": held,
    "--report": drawn,
    "health": judged,
    "quantities": measured,
    "lineage": remade,
    "compare": stored_twice,
    "compare gains-2026": campaign(campaigns.Phase.RUNNING),
    "campaign new": campaign(None),
    **{f"campaign {action}": campaign(phases[0]) for action, phases in ACTIONS.items()},
    "campaign show": campaign(campaigns.Phase.RUNNING),
}
"""What words of a command need of run 932; for all other commands it is done."""


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
    return sorted(found)


def reason(command: str) -> str | None:
    return next((why for what, why in NOT_HERE.items() if re.fullmatch(what, command)), None)


RUN_HERE = [command for command in commands() if reason(command) is None]


@pytest.fixture(scope="module")
def site(tmp_path_factory, mongod):
    """A site as in the documents: runs 932 and 933 are done."""
    settings = {"notify": {"command": ["cat"]}}
    folder = tmp_path_factory.mktemp("docs")
    site = Site(folder, mongod.uri, f"test_{secrets.token_hex(6)}", settings)
    shutil.copy(site.configfile, site.work / "site.yaml")
    (site.work / "my.yaml").write_text("select: {newest: 10}\n")
    shutil.copy(layout.REPOSITORY / layout.GOOD_RUNS, site.work / "my_criteria.yaml")
    for part in ("workflow", "config"):
        (site.work / part).symlink_to(layout.REPOSITORY / part)
    (site.work / "profiles").mkdir()
    for profile in (layout.REPOSITORY / "profiles").glob("*/config.yaml"):
        (site.work / "profiles" / profile.parent.name).symlink_to(PROFILE)
    forks.put_programs(site.folder / "bin")
    for number in (932, 933):
        site.add_run(number)
    assert run("snakemake --profile profiles/local", site).returncode == 0
    site.documents = site.all_documents()
    return site


@pytest.fixture(autouse=True)
def as_it_was(request):
    """Hide from each command the run documents and the runs that others have changed or made."""
    if "site" in request.fixturenames:
        site = request.getfixturevalue("site")
        site.collection.delete_many({})
        site.collection.insert_many(site.documents)
        for folder in ("results", "data/live_data"):
            for path in (site.work / folder).glob("[0-9]*"):
                if path.name not in ("000932", "000933"):
                    shutil.rmtree(path)


def run(command: str, site: Site) -> "subprocess.CompletedProcess[str]":
    """Run a command as a person does: in a shell with the environment active, at a terminal."""
    environment = {name: value for name, value in os.environ.items() if name != config.SITE}
    environment["PATH"] = f"{site.folder / 'bin'}:{SNAKEMAKE.parent}:{os.environ['PATH']}"
    person, terminal = pty.openpty()
    try:
        os.write(person, b"y\n")  # for verbs that ask
        return subprocess.run(
            ["bash", "-c", command],
            cwd=site.work,
            env=environment | forks.environment(),
            capture_output=True,
            text=True,
            check=False,
            stdin=terminal,
            timeout=300,
        )
    finally:
        os.close(person)
        os.close(terminal)


def test_there_are_commands():
    assert len(RUN_HERE) > 15
    assert all(command.split()[0] in OURS for command in RUN_HERE), "say in NOT_HERE why not"


@pytest.mark.parametrize("command", RUN_HERE)
def test_a_command_of_the_documents_does_what_it_should(command, site):
    without_earlier_data(site)
    for words, prepare in PREPARATIONS.items():
        if re.search(rf"(^| ){words}( |$)", command):
            prepare(site)
    done = run(command, site)
    assert done.returncode == EXIT_CODES.get(command, 0), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_make_targets_exist():
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


def test_paths_in_the_documents_exist():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:\s]+)\)", document.read_text(encoding="utf-8")):
            assert (Path(document).parent / link).exists(), f"{document.name}: {link}"
