"""Each check of the doctor on the real thing, in good order and in bad."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pymongo
import pytest

from servers.mongod import collection, scratch
from servers.sshd import make_key, running_sshd
from site_for_tests import XAMSFLOW
from xamsflow.base import clock
from xamsflow.batch import here
from xamsflow.operate import doctor
from xamsflow.operate.doctor import batch_system, daq, run_database, this_host
from xamsflow.operate.doctor.check import Result
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.settings.config import Daq, Source
from xamsflow.state import layout


@pytest.fixture(autouse=True)
def no_credentials_of_ours(monkeypatch, tmp_path):
    monkeypatch.delenv("MONGO_USER", raising=False)
    monkeypatch.delenv("MONGO_PASSWORD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def by_name(results) -> dict[str, Result]:
    return {result.name: result for result in results}


def verdicts(results) -> dict[str, str]:
    return {result.name: str(result.verdict) for result in results}


# This host


def test_the_software_of_this_environment_is_in_order():
    assert set(verdicts(this_host.software()).values()) == {"ok"}


def test_a_package_of_another_version_is_told(monkeypatch, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("strax==1.0 ; python_version < '3.12'\nstrax==1.1\n")
    monkeypatch.setattr(this_host, "LOCK", lock)
    result = this_host.package("strax")
    assert (result.verdict, result.remedy) == (
        "warning",
        "install the tested version, 1.0 or 1.1: make install",
    )


def test_a_package_that_is_missing_is_told():
    result = this_host.package("no-such-package")
    assert (result.verdict, result.remedy) == ("problem", "make install")


def test_programs_that_are_missing_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_name(this_host.software())
    assert (found["rsync"].verdict, found["rsync"].remedy) == ("problem", "install rsync")
    assert (found["ssh"].verdict, found["ssh"].remedy) == ("problem", "install openssh-client")


def test_packages_that_pythonpath_would_put_first_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert not list(this_host.shadows())
    (tmp_path / "numpy").mkdir()
    (result,) = this_host.shadows()
    assert (result.verdict, "has its own numpy" in result.value) == ("problem", True)


@pytest.mark.parametrize("home", ["/proc/self", "/dev/null"])
def test_a_home_that_cannot_be_written_is_told(monkeypatch, home):
    assert not list(this_host.home())
    monkeypatch.setenv("HOME", home)
    (result,) = this_host.home()
    assert (result.verdict, "XDG_CACHE_HOME" in result.remedy) == ("problem", True)


def test_a_lock_is_tried_and_leaves_nothing(tmp_path):
    assert not list(this_host.locks(tmp_path))
    assert not list(this_host.locks(tmp_path / "not-made-yet"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_or_will_be_made(tmp_path):
    assert this_host.folder("x", tmp_path, 0).verdict == "ok"
    result = this_host.folder("x", tmp_path / "a" / "b", 0)
    assert result.verdict == "ok"
    assert result.value.endswith("to be created")
    assert not (tmp_path / "a").exists()


def test_a_folder_with_little_space_is_told(tmp_path):
    result = this_host.folder("x", tmp_path, 1e18)
    assert result.verdict == "warning"
    assert "free some space there soon" in result.remedy


def test_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert this_host.folder("x", tmp_path / "file" / "b", 0).value.endswith("file is not a folder")


@pytest.fixture
def mounted(tmp_path: Path):
    """Return a function that mounts a small file system in memory, as root can."""
    folders = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"mounted{len(folders)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=False)


def test_a_full_disk_is_told(mounted: Callable[[str], Path]):
    folder = mounted("size=64k")
    with suppress(OSError):
        (folder / "big").write_bytes(bytes(1_000_000))
    result = this_host.folder("x", folder, 0)
    assert (result.verdict, result.remedy) == ("problem", "free some space there")
    assert ", 0 B free" in result.value


def test_a_disk_without_room_for_files_is_told(mounted: Callable[[str], Path]):
    folder = mounted("size=2g,nr_inodes=3")
    with suppress(OSError):
        for number in range(3):
            (folder / str(number)).touch()
    result = this_host.folder("x", folder, 0)
    assert result.verdict == "problem"
    assert "no free inodes" in result.value


def test_a_disk_that_is_mounted_for_reading_is_told(mounted: Callable[[str], Path]):
    result = this_host.folder("x", mounted("size=2g,ro"), 0)
    assert (result.verdict, result.remedy) == ("problem", "check its owner, mode and mount")


def test_a_folder_without_the_right_to_write_is_told(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o555)
    result = this_host.folder("x", tmp_path / "theirs" / "b", 0)
    if os.getuid() == 0:
        assert result.verdict == "ok"  # root may write everywhere
    else:
        assert result.remedy == "check its owner, mode and mount"


def settings(tmp_path, **changes):
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps(changes))
    return config.load([file])


def test_the_detector_file_and_the_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (good,) = this_host.detector_file(settings(tmp_path))
    assert good.verdict == "ok"
    assert good.value.startswith("xamsl: V1730 0-1")
    (wrong,) = this_host.detector_file(settings(tmp_path, targets=["event_basis"]))
    assert wrong.verdict == "problem"
    assert "event_basis" in wrong.value
    (missing,) = this_host.detector_file(settings(tmp_path, detector="xenonnt"))
    assert "allowed: xams, " in missing.value


def test_a_detector_file_whose_corrections_are_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (layout.REPOSITORY / layout.DETECTORS / "xams.yaml").read_text()
    assert "electron_lifetime: " in text
    lines = [
        line.partition("electron_lifetime: ")[0] + "electron_lifetime: {file: not_there}"
        if "electron_lifetime: " in line
        else line
        for line in text.splitlines()
    ]
    (tmp_path / layout.DETECTORS).mkdir(parents=True)
    (tmp_path / layout.DETECTORS / "mine.yaml").write_text("\n".join(lines))
    (result,) = this_host.detector_file(settings(tmp_path, detector="mine"))
    assert result.verdict == "problem"
    assert "not_there" in result.value


def test_the_cache_of_compiled_functions(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (result,) = this_host.compiled()
    assert result.verdict == "warning"
    assert "xamsflow.simulate.warm_up" in result.remedy
    (tmp_path / "strax").mkdir()
    (tmp_path / "strax" / "sort_by_time.nbi").touch()
    (result,) = this_host.compiled()
    assert result.verdict == "ok"


def test_the_command_for_notifications(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (off,) = this_host.notifications(settings(tmp_path))
    assert off.value.startswith("switched off")
    chosen = settings(tmp_path, notify={"command": ["cat"]})
    assert verdicts(this_host.notifications(chosen)) == {"notifications": "ok"}
    layout.NOTIFIED.parent.mkdir()
    layout.NOTIFIED.write_text(json.dumps({"unsent": [{"error": "no mail server"}]}))
    (unsent,) = this_host.notifications(chosen)
    assert (unsent.verdict, "no mail server" in unsent.value) == ("warning", True)
    (missing,) = this_host.notifications(settings(tmp_path, notify={"command": ["no-such"]}))
    assert missing.verdict == "problem"


# The DAQ host


@pytest.fixture
def sshd(tmp_path):
    with running_sshd(tmp_path / "sshd") as server:
        yield server


def test_a_daq_host_in_good_order(sshd, tmp_path):
    (tmp_path / "runs" / "000932").mkdir(parents=True)
    found = by_name(daq.examine(Daq(sshd.target(), tmp_path / "runs")))
    assert set(verdicts(found.values()).values()) == {"ok"}
    assert "host key SHA256:" in found["DAQ ssh"].value
    assert found["DAQ folder"].value.endswith("runs, 1 runs")
    assert list(found) == ["DAQ ssh", "DAQ rsync", "DAQ folder", "DAQ clock"]


def test_a_host_key_that_has_changed_is_told(sshd, tmp_path):
    make_key(tmp_path / "another")
    sshd.trust(tmp_path / "another")
    (result,) = daq.examine(Daq(sshd.target(), None))
    assert (result.name, result.verdict) == ("DAQ ssh", "problem")
    assert "has changed" in result.value
    assert "somebody may be intercepting the connection" in result.remedy


def test_a_daq_host_that_is_away_is_told(sshd):
    sshd.kill()
    (result,) = daq.examine(Daq(sshd.target(), None))
    assert (result.verdict, result.remedy) == ("problem", "check host and network")


def test_login_files_that_print_are_told(tmp_path):
    noisy = 'ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"'
    with running_sshd(tmp_path / "sshd", noisy) as server:
        (ssh, shell) = daq.examine(Daq(server.target(), None))
    assert (ssh.verdict, shell.verdict) == ("ok", "problem")
    assert "prints 'Welcome' whenever a command runs" in shell.value


def test_a_daq_host_without_its_programs_is_told(tmp_path):
    with running_sshd(tmp_path / "sshd", environment={"PATH": "/nonexistent"}) as server:
        found = by_name(daq.examine(Daq(server.target(), None)))
    assert found["DAQ ssh"].verdict == "ok"
    assert found["DAQ rsync"].remedy == "install rsync there"
    assert found["DAQ clock"].verdict == "problem"


def test_a_folder_of_the_daq_that_is_missing_or_empty_is_told(sshd, tmp_path):
    found = by_name(daq.examine(Daq(sshd.target(), tmp_path / "unmounted")))
    assert found["DAQ folder"].remedy == "mount it, or correct daq.live_data"
    (tmp_path / "empty").mkdir()
    found = by_name(daq.examine(Daq(sshd.target(), tmp_path / "empty")))
    assert found["DAQ folder"].verdict == "warning"


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (timedelta(seconds=20), "warning"),
        (timedelta(seconds=-20), "warning"),
        (timedelta(hours=1), "problem"),
        (timedelta(hours=-1), "problem"),
    ],
)
def test_clocks_that_differ_are_told(sshd, mongod, monkeypatch, off, expected):
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + off)
    there = by_name(daq.examine(Daq(sshd.target(), None)))["DAQ clock"]
    database = by_name(run_database.examine(scratch(mongod)))["database clock"]
    for result in (there, database):
        assert result.verdict == expected
        assert ("behind" if off > timedelta() else "ahead of") in result.value


def test_a_daq_disk_that_is_mounted_here(tmp_path):
    assert verdicts(daq.examine(Daq(None, None))) == {"DAQ folder": "ok"}
    assert verdicts(daq.examine(Daq(None, tmp_path))) == {"DAQ folder": "ok"}
    assert verdicts(daq.examine(Daq(None, tmp_path / "x"))) == {"DAQ folder": "problem"}


def test_every_source_is_checked(sshd, tmp_path):
    (tmp_path / "runs" / "000932").mkdir(parents=True)
    found = by_name(
        daq.copies(
            [
                Source("archive", sshd.target(), tmp_path / "runs"),
                Daq(None, None),
                Source("dcache", None, tmp_path / "unmounted"),
                Source("stbc", None, None),
            ]
        )
    )
    names = ["archive ssh", "archive rsync", "archive folder", "dcache folder", "stbc folder"]
    assert list(found) == names
    assert [result.verdict for result in found.values()] == ["ok", "ok", "ok", "problem", "ok"]
    assert found["dcache folder"].remedy == "mount it, or correct live_data of dcache in sources"


# The run database


def test_a_run_database_in_good_order_also_through_a_tunnel(sshd, mongod):
    for tunnel in (None, sshd.target()):
        where = scratch(mongod, tunnel)
        with collection(mongod, where) as runs:
            runs.insert_one({"number": 932})
        found = by_name(run_database.examine(where))
        assert set(verdicts(found.values()).values()) == {"ok"}
        assert found["run documents"].value == "1"
        assert ("through 127.0.0.1" in found["run database"].value) is (tunnel is not None)


def test_an_empty_run_database_is_told(mongod):
    found = by_name(run_database.examine(scratch(mongod)))
    assert found["run documents"].remedy == "check rundb.database and rundb.collection"


@pytest.mark.parametrize(
    ("role", "verdict", "value"),
    [
        ("readWrite", "ok", "read and write"),
        ("read", "problem", "read only: previews and tables work, processing does not"),
    ],
)
def test_the_rights_of_an_account(mongod_with_users, monkeypatch, role, verdict, value):
    where = scratch(mongod_with_users)
    server = mongod_with_users
    name = f"user_{secrets.token_hex(4)}"
    with pymongo.MongoClient(server.uri, username=server.user, password=server.password) as client:
        roles = [{"role": role, "db": where.database}]
        client.admin.command("createUser", name, pwd="a word", roles=roles)
    monkeypatch.setenv("MONGO_USER", name)
    monkeypatch.setenv("MONGO_PASSWORD", "a word")
    found = by_name(run_database.examine(where))
    assert (found["database rights"].verdict, found["database rights"].value) == (verdict, value)
    monkeypatch.setenv("MONGO_PASSWORD", "another word")
    (refused,) = run_database.examine(where)
    assert "rejects the user or password" in refused.value
    assert "another word" not in str(refused)


def test_the_administrator_of_the_server_may_read_and_write(mongod_with_users):
    found = by_name(run_database.examine(scratch(mongod_with_users)))
    assert found["database rights"].value == "read and write"


def test_no_credentials_where_a_login_is_required(mongod_with_users):
    found = by_name(
        run_database.examine(replace(scratch(mongod_with_users), credentials_file=None))
    )
    assert verdicts(found.values()) == {
        "run database": "ok",
        "database rights": "problem",
        "database clock": "ok",
    }
    assert "there are no credentials" in found["database rights"].value


def test_impossible_run_numbers_and_the_switch(mongod):
    where = scratch(mongod)
    documents = [{"number": number} for number in (1, 932.0, "933", -1, 1e7, None)]
    with collection(mongod, where) as there:
        there.insert_many(documents)
    found = by_name(run_database.examine(where, f"{where.database}.processing"))
    assert found["run numbers"].verdict == "warning"
    assert found["run numbers"].value == "unusable: '933', -1, 10000000.0, None"
    assert found["watch switch"].value.endswith("not set, so runs are processed")


def test_a_tunnel_that_is_refused_is_told(tmp_path, mongod):
    with running_sshd(tmp_path / "sshd", "PermitOpen 127.0.0.1:1") as server:
        (result,) = run_database.examine(scratch(mongod, server.target()))
    assert "does not allow tunnels" in result.value


# The batch system


def test_a_host_without_the_batch_systems_commands(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, command in (("stbc", "qsub, qstat, qdel"), ("htcondor", "condor_submit, condor_q")):
        (result,) = batch_system.examine(start.profile_folder(name))
        assert result.verdict == "problem"
        assert f": {command}" in result.value and "not found" in result.value
    (result,) = batch_system.examine(start.profile_folder("profiles/local"))
    assert (result.verdict, result.value) == ("ok", "local: none, jobs run on this host")


def test_every_profile_is_known():
    for path in layout.REPOSITORY.glob("profiles/*/config.yaml"):
        system = here.system_of(path.with_name("submit"))
        assert system in here.COMMANDS or path.parent.name == "local"


# The command


def test_nothing_is_written_and_the_exit_code_tells(site):
    site.add_run(932)
    site.configure(notify={"space_left_gb": 0})
    before = (site.tree(), site.all_documents())
    said = site.xamsflow("doctor", "--profile", "local")
    assert (site.tree(), site.all_documents()) == before
    assert said.returncode == 0, said.stdout
    assert " problem" not in said.stdout.splitlines()[-1]
    assert "ok       run database" in said.stdout


def test_a_problem_is_shown_with_its_remedy_and_exit_code_1(make_site):
    site = make_site(rundb={"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"})
    said = site.xamsflow("doctor")
    assert said.returncode == 1
    lines = said.stdout.splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.startswith("problem "))
    assert lines[place + 1].strip().startswith("-> is MongoDB running there?")
    made = json.loads(site.xamsflow("doctor", "--json").stdout)
    assert {"name", "verdict", "value", "remedy"} == set(made[0])
    assert [one["name"] for one in made if one["verdict"] == "problem"] == ["run database"]


def test_a_message_for_trying_out(site):
    said = site.xamsflow("doctor", "--notify")
    assert (said.returncode, "notify.command is null" in said.stderr) == (1, True)
    site.configure(notify={"command": ["sh", "-c", f"cat > {site.folder}/told"]})
    said = site.xamsflow("doctor", "--notify")
    assert (said.returncode, "has it arrived?" in said.stdout) == (0, True)
    assert "a test of notifications" in (site.folder / "told").read_text()
    site.configure(notify={"command": ["false"]})
    assert site.xamsflow("doctor", "--notify").returncode == 1


def test_a_wrong_profile(site):
    said = site.xamsflow("doctor", "--profile", "stoomboot")
    assert (said.returncode, "there is no profile 'stoomboot'" in said.stderr) == (1, True)


def test_every_verdict_has_a_colour():
    from xamsflow.cli.doctor import COLOURS  # noqa: PLC0415

    assert set(COLOURS) == set(map(str, doctor.Health))


def test_the_command_without_a_working_directory(tmp_path):
    command = [XAMSFLOW, "doctor", "--directory", tmp_path / "typo"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert not (tmp_path / "typo").exists()
