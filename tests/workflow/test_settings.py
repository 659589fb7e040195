"""``site.yaml`` in the working directory holds the settings of snakemake and ``xamsflow``."""

import os
import subprocess

import pytest
import yaml

from servers import forks
from site_for_tests import PROFILE, XAMSFLOW
from xamsflow.settings import config
from xamsflow.state import layout, receipts


@pytest.fixture
def settled(site, monkeypatch):
    """A site with its settings in the working directory."""
    monkeypatch.delenv(config.SITE)
    (site.work / "site.yaml").write_bytes(site.configfile.read_bytes())
    return site


def run(program, *arguments, at):
    """Run one of the two programs in a working directory, in a fork of a process that loaded it."""
    if program == "snakemake":
        where = ["--snakefile", str(layout.SNAKEFILE), "--profile", str(PROFILE)]
        arguments = [*arguments[:1], *where, *arguments[1:]]
    done = subprocess.run(
        [*forks.command(program), *arguments],
        cwd=at,
        env=os.environ | forks.environment(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    done.stdout += done.stderr
    return done


def write(path, **settings):
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_both_programs_find_them_without_an_option(settled):
    settled.add_run(932)
    done = run("snakemake", "results/000932/rundoc.json", at=settled.work)
    assert done.returncode == 0, done.stdout
    assert settled.status(932) == "done"
    # Its jobs use them, too: the DAQ folder and the target are this site's.
    assert (settled.work / "results" / "000932" / "raw_records_v1730.json").exists()
    for arguments in (("status", "932"), ("why", "932"), ("page",)):
        done = run("xamsflow", *arguments, at=settled.work)
        assert done.returncode == 0, done.stdout


def test_watch_passes_them_on(settled):
    settled.add_run(932)
    done = run("xamsflow", "watch", "--once", at=settled.work)
    assert done.returncode == 0, done.stdout
    assert settled.status(932) == "done"


def test_they_belong_to_the_directory_that_is_given(settled, tmp_path):
    write(tmp_path / "site.yaml", detectr="xams")
    done = run("xamsflow", "status", "--directory", str(settled.work), at=tmp_path)
    assert done.returncode == 0, done.stdout
    done = run("snakemake", "-n", "--directory", str(settled.work), at=tmp_path)
    assert done.returncode == 0, done.stdout


def test_what_is_given_overrides_them_key_by_key(settled, tmp_path):
    """If a value is wrong, the error names the file that set it last."""
    own = settled.work / "site.yaml"
    base = yaml.safe_load(own.read_text())
    write(own, **base, select={"newest": -1})
    first = write(tmp_path / "first.yaml", select={"newest": -2})
    second = write(tmp_path / "second.yaml", select={"newest": -3})
    given = {
        "snakemake": (("-n",), ("--configfile", first, second)),
        "xamsflow": (("status",), ("--configfile", first, "--configfile", second)),
    }
    for program, (arguments, files) in given.items():
        said = run(program, *arguments, at=settled.work).stdout
        assert f"{own}: select.newest is -1" in said
        said = run(program, *arguments, files[0], first, at=settled.work).stdout
        assert f"{first}: select.newest is -2" in said
        said = run(program, *arguments, *files, at=settled.work).stdout
        assert f"{second}: select.newest is -3" in said
    said = run("snakemake", "-n", "--config", "select={'newest': 0}", at=settled.work).stdout
    assert "xamsflow: --config: select.newest is" in said
    write(own, **base, select={"modes": []})
    write(tmp_path / "first.yaml", select={"newest": 5})
    done = run("snakemake", "-n", *files[:2], at=settled.work)
    assert f"{own}: select.modes is []" in done.stdout
    done = run("snakemake", "-n", *files[:2], "--config", "select={modes: ['*']}", at=settled.work)
    assert done.returncode == 0, done.stdout


def test_a_run_number_after_the_option_is_a_run_number(settled):
    settled.add_run(932)
    own = str(settled.work / "site.yaml")
    done = run("xamsflow", "status", "--configfile", own, "932", at=settled.work)
    assert done.returncode == 0, done.stdout
    assert "000932" in done.stdout


def test_another_file_by_the_environment(settled, monkeypatch):
    (settled.work / "site.yaml").rename(settled.work / "other.yaml")
    settled.add_run(932)
    monkeypatch.setenv(config.SITE, "other.yaml")
    done = run("snakemake", "results/000932/rundoc.json", at=settled.work)
    assert done.returncode == 0, done.stdout
    assert run("xamsflow", "status", "932", at=settled.work).returncode == 0
    monkeypatch.setenv(config.SITE, "none.yaml")
    for program, arguments in (("snakemake", ["-n"]), ("xamsflow", ["status"])):
        done = run(program, *arguments, at=settled.work)
        assert done.returncode == 1
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("xamsflow: ")]
        assert str(settled.work / "none.yaml") in line
        assert config.SITE in line


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_a_file_without_settings_counts_as_missing(settled, text):
    settings = settled.work / "site.yaml"
    settings.rename(settled.work / "other.yaml")
    settings.write_text(text)
    files = ("--configfile", "other.yaml")
    done = run("snakemake", "-n", *files, at=settled.work)
    assert done.returncode == 0, done.stdout
    assert run("xamsflow", "status", *files, at=settled.work).returncode == 0


@pytest.mark.parametrize("text", ["key: [unclosed", "- a list"])
def test_a_broken_file_is_named_in_one_line(settled, text):
    own = settled.work / "site.yaml"
    own.write_text(text)
    for program, arguments in (("snakemake", ["-n"]), ("xamsflow", ["status"])):
        done = run(program, *arguments, at=settled.work)
        assert done.returncode == 1
        assert f"xamsflow: {own}" in done.stdout
        assert "Traceback" not in done.stdout


def test_a_job_has_the_settings_of_its_driver(settled):
    """--config reaches the process that does the work."""
    settled.add_run(932)
    done = run(
        *("snakemake", "results/000932/rundoc.json"),
        *("--config", "storage={'processed': 'elsewhere'}"),
        at=settled.work,
    )
    assert done.returncode == 0, done.stdout
    receipt = receipts.read(settled.work / "results" / "000932" / "raw_records_v1730.json")
    assert receipt["path"].startswith(str(settled.work / "elsewhere") + os.sep)


def test_a_batch_system_that_is_not_here_takes_no_run(site, tmp_path):
    site.add_run(901, duration=0.6, rate=50)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "bash"):
        (programs / name).symlink_to(f"/bin/{name}")
    site.environment["PATH"] = str(programs)
    command = site.command()
    command[command.index("--profile") + 1] = str(layout.REPOSITORY / "profiles" / "htcondor")
    watch = [str(XAMSFLOW), "watch", "--profile", "htcondor", "--directory", str(site.work)]
    for tried in (command, [*watch, "--configfile", str(site.configfile)]):
        answer = subprocess.run(
            tried, env=os.environ | site.environment, capture_output=True, text=True, check=False
        )
        said = answer.stdout + answer.stderr
        assert answer.returncode == 1, said
        assert "profile htcondor: condor_submit, condor_q" in said
        assert "Traceback" not in said
    assert site.status(901) == "pending"
    assert "processing" not in site.document(901)
