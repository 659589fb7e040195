"""From nothing to a site that the doctor finds in order."""

import os
import pty
import subprocess
from pathlib import Path

import pymongo
import yaml

from servers.sshd import running_sshd
from site_for_tests import PROFILE, XAMSFLOW
from xamsflow.base import process
from xamsflow.settings import config
from xamsflow.state import layout

AWAY = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"


def init(
    work: Path, *options: str, typed: str | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command in a new working directory, at a terminal if something is `typed`."""
    work.mkdir(exist_ok=True)
    there = {name: value for name, value in os.environ.items() if name != config.SITE}
    person, terminal = pty.openpty()
    try:
        os.write(person, (typed or "").encode())
        return subprocess.run(
            [XAMSFLOW, "init", *options],
            cwd=work,
            env=there | {"HOME": str(work.parent), "PWD": str(work)} | environment,
            stdin=subprocess.DEVNULL if typed is None else terminal,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(person)
        os.close(terminal)


def test_a_site_with_an_alias_a_tunnel_and_a_password(tmp_path, mongod_with_users):
    server = mongod_with_users
    client = pymongo.MongoClient(server.uri, username=server.user, password=server.password)
    client[f"test_{tmp_path.name}"]["runs_new"].insert_one({"number": 932})
    (tmp_path / "runs" / "000932").mkdir(parents=True)
    (tmp_path / ".ssh").mkdir()
    with running_sshd(tmp_path / "sshd") as sshd:
        (tmp_path / ".ssh" / "config").write_text(
            f"Host xams\n HostName 127.0.0.1\n Port {sshd.port}\n"
            f" IdentityFile {sshd.identity_file}\n UserKnownHostsFile {sshd.known_hosts}\n"
        )
        answers = ["--yes", "--daq-host", "xams", "--daq-folder", str(tmp_path / "runs")]
        answers += ["--source", f"archive=xams:{tmp_path / 'runs'}"]
        answers += ["--uri", server.uri, "--collection", f"test_{tmp_path.name}.runs_new"]
        account = {"MONGO_USER": server.user, "MONGO_PASSWORD": server.password}

        wrong = init(tmp_path / "work", *answers, **account | {"MONGO_PASSWORD": "wrong"})
        assert wrong.returncode == 1
        assert wrong.stderr.startswith("xamsflow: nothing was written: run database: ")
        assert len(wrong.stderr.splitlines()) == 1
        assert not list((tmp_path / "work").iterdir())

        done = init(tmp_path / "work", *answers, **account)
        again = init(tmp_path / "work", *answers, **account)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"snakemake --snakefile {layout.SNAKEFILE} --profile {PROFILE}\n" in done.stdout
    assert "0 problem" not in done.stdout and "database rights" in done.stdout
    written = yaml.safe_load((tmp_path / "work" / "site.yaml").read_text())
    assert written["daq"] | {"live_data": None} == written["rundb"]["tunnel"] | {"live_data": None}
    assert written["daq"]["host"] == "xams"
    archive = {"name": "archive", "host": "xams", "live_data": str(tmp_path / "runs")}
    assert written["sources"] == ["daq", archive]
    assert "archive folder" in done.stdout
    file = tmp_path / ".config" / "xamsflow" / "credentials"
    assert file.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(file.read_text())["password"] == server.password
    assert server.password not in done.stdout + (tmp_path / "work" / "site.yaml").read_text()
    assert (again.returncode, "site.yaml exists" in again.stderr) == (1, True)


def test_a_dialogue_checks_each_answer(tmp_path):
    typed = [
        *("xenon", "", "xams"),  # no such detector; change; again
        *("-oX=y", "none"),  # not a host
        *(str(tmp_path / "nowhere"), "", str(tmp_path)),  # missing; change; another folder
        *("", AWAY, "", "", "n"),  # nobody answers there: kept
        "",  # the profile
        *("", "strax", ""),
    ]
    done = init(tmp_path / "work", typed="\n".join(typed) + "\n", PATH=str(XAMSFLOW.parent))
    said = done.stdout
    assert done.returncode == 1, said + done.stderr  # the doctor reports what was kept
    assert said.count("problem: ") >= 4 and "'xenon'" in said and "nowhere is missing" in said
    written = yaml.safe_load((tmp_path / "work" / "site.yaml").read_text())
    assert written == {
        "detector": "xams",
        "daq": {"live_data": str(tmp_path)},
        "rundb": {"uri": AWAY, "database": "run", "collection": "runs_gas"},
        "storage": {
            "live_data": "data/live_data",
            "processed": "strax",
            "host": process.host().partition(".")[0],
        },
        "watch": {"profile": "local"},
    }


def test_without_a_terminal_or_options(tmp_path):
    done = init(tmp_path / "work")
    assert (done.returncode, "--yes" in done.stderr) == (1, True)
    assert not list((tmp_path / "work").iterdir())
