"""Secrets stay secret, rights stay minimal, and text in a run document stays text."""

import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from site_for_tests import Site
from workflow.test_bad_input import assert_one_line
from workflow.test_remote import RemoteSite, remote_site, sshd  # noqa: F401 - fixtures
from xamsflow import rundb
from xamsflow.base.errors import XamsflowError
from xamsflow.run import publish
from xamsflow.settings import config
from xamsflow.simulate.embedded_mongod import MongoServer
from xamsflow.state import layout, receipts
from xamsflow.transfer import transfer_run

pytestmark = pytest.mark.xdist_group("security")  # its tests share costly fixtures


@contextmanager
def command_lines() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes for a while, as ps shows them to everybody."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(entry.read_bytes())
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def assert_nowhere(secret: str, site: Site, *said: str, but: tuple[Path, ...] = ()) -> None:
    for text in said:
        assert secret not in text
    for path in site.folder.rglob("*"):
        if path.is_file() and path not in but:
            assert secret.encode() not in path.read_bytes(), path
            assert secret not in path.name


def credentials_file(site: RemoteSite) -> Path:
    """Move the credentials from the environment into a file, and return it."""
    path = site.folder / "credentials"
    found = {"user": site.environment["MONGO_USER"], "password": site.environment["MONGO_PASSWORD"]}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(found, file)
    site.settings["rundb"] = {**site.settings["rundb"], "credentials_file": str(path)}
    site.configure()
    return path


def test_no_password_in_output_files_or_ps(remote_site: RemoteSite):  # noqa: F811
    site = remote_site
    file = credentials_file(site)
    secret = site.environment["MONGO_PASSWORD"]
    user, site.environment = site.environment["MONGO_USER"], {}
    collection = pymongo.MongoClient(site.uri, username=user, password=secret)[site.database]
    site.environment = {"MONGO_USER": user, "MONGO_PASSWORD": secret}
    site.add_run(932)
    site.add_run(931, on_disk=False)
    site.environment = {}
    with command_lines() as seen:
        done = site.snakemake("--verbose", "--printshellcmds")
        shown = [site.xamsflow(*verb) for verb in (["status"], ["show", "932"], ["reconcile"])]
    assert done.returncode == 1, done.stdout
    assert collection["runs_new"].find_one({"number": 932})["processing_status"] == "done"
    assert any(b"rsync" in line for line in seen), "the transfer was looked at"
    assert not [line for line in seen if secret.encode() in line]
    assert_nowhere(secret, site, done.stdout, *(s.stdout + s.stderr for s in shown), but=(file,))
    documents = json.dumps(list(collection["runs_new"].find()), default=str)
    assert secret not in documents
    # Nobody else can change what is written, or read the secret.
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for path in site.work.rglob("*"):
        if not path.is_symlink():
            assert not path.stat().st_mode & stat.S_IWOTH, path


@pytest.mark.parametrize("failure", ["password", "server", "tunnel", "options"])
def test_no_password_in_any_failure(failure: str, remote_site: RemoteSite, sshd: Any):  # noqa: F811
    site = remote_site
    site.add_run(932)
    secret = "s3cret/w%40rd:@x"
    site.environment["MONGO_PASSWORD"] = secret
    if failure == "server":
        site.configure(rundb={"uri": "mongodb://127.0.0.1:1", "tunnel": None})
    elif failure == "tunnel":
        sshd.kill()
    elif failure == "options":
        site.configure(rundb={"uri": f"{site.uri}/?authMechanism=NO", "tunnel": None})
    for answer in (
        site.snakemake("--verbose"),
        site.verb("status"),
    ):
        assert answer.returncode != 0
        said = answer.stdout + answer.stderr
        assert "xamsflow: " in said and "Traceback" not in said.replace("Full Traceback", "")
        assert_nowhere(secret, site, said)
        assert "w%40rd" not in said and "s3cret" not in said


def test_credentials_in_the_address_are_refused_and_the_right_place_is_named(site: Site):
    site.configure(rundb={"uri": "mongodb://me:s3cret@127.0.0.1:1"})
    for answer in (site.snakemake("-n"), site.verb("status")):
        assert_one_line(answer, "rundb.uri", "MONGO_PASSWORD", "rundb.credentials_file")
        assert "s3cret" not in answer.stdout + answer.stderr


def commands_of_the_documentation(database: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the commands that make roles and users in the documents, for another database."""
    text = (layout.REPOSITORY / "docs" / "explanation" / "security.md").read_text()
    found = []
    for name, command in re.findall(r"^(\w+)> db\.runCommand\((\{.*?\})\)$", text, re.M | re.S):
        there = {"run": database}.get(name, name)
        found.append((there, json.loads(command.replace('"run"', f'"{database}"'))))
    return found


@pytest.fixture
def accounts(mongod_with_users: MongoServer, tmp_path: Path) -> Iterator[str]:
    """Make the documented roles and users for a separate database, and return its name."""
    server, database = mongod_with_users, f"least_{tmp_path.name}"
    with pymongo.MongoClient(server.uri, username=server.user, password=server.password) as client:
        commands = commands_of_the_documentation(database)
        assert [next(iter(command)) for _, command in commands].count("createUser") == 2
        for name, command in commands:
            client[name].command(command)
        try:
            yield database
        finally:
            for name, command in commands:
                ((kind, who),) = [item for item in command.items() if item[0].startswith("create")]
                client[name].command(kind.replace("create", "drop"), who)


def test_the_documented_accounts_are_enough_and_the_readers_cannot_write(
    accounts: str,
    mongod_with_users: MongoServer,
    tmp_path: Path,
):
    server = mongod_with_users
    site = RemoteSite(
        tmp_path / "site",
        server.uri,
        accounts,
        environment={"MONGO_USER": server.user or "", "MONGO_PASSWORD": server.password or ""},
    )
    site.add_run(932)
    site.add_run(931, on_disk=False)
    site.add_run(930, on_disk=False, status="failed")
    admin, runs = dict(site.environment), site.collection
    before = list(runs.find())

    site.environment = {"MONGO_USER": "looker", "MONGO_PASSWORD": "CHANGE-ME-TOO"}
    preview = site.snakemake("-n")
    assert preview.returncode == 0, preview.stdout
    for verb in (["status"], ["show", "932"], ["reconcile"], ["why", "932"], ["plan"]):
        answer = site.verb(*verb)
        assert "not allow" not in answer.stderr, answer.stderr
        assert "cannot be read" not in answer.stdout
        assert "Traceback" not in answer.stderr
    assert_one_line(site.snakemake(), "not authorized")
    assert_one_line(site.verb("pend", "930", "--yes"), "not authorized")
    assert list(runs.find()) == before

    site.environment = {"MONGO_USER": "processing", "MONGO_PASSWORD": "CHANGE-ME"}
    done = site.snakemake()
    assert "not authorized" not in done.stdout and "not allow" not in done.stdout, done.stdout
    site.environment = admin
    assert (site.status(932), site.status(931)) == ("done", "failed")
    site.environment = {"MONGO_USER": "processing", "MONGO_PASSWORD": "CHANGE-ME"}
    assert "ok       watch switch" in site.verb("doctor").stdout
    assert site.verb("pend", "930", "--yes").returncode == 0
    assert site.verb("reconcile", "932").returncode == 0


# What a run document may hold to do harm. `harm` is the file that must never appear.
NASTY = st.sampled_from(
    [
        "../../../../tmp/x",
        "..",
        "/",
        "/etc",
        "-rf",
        "--rsync-path=touch harm",
        "-e touch harm",
        "$(touch harm)",
        "`touch harm`",
        "; touch harm ;",
        "| touch harm",
        "& touch harm",
        "a\nb; touch harm\n",
        "'; touch harm; '",
        '"; touch harm; "',
        "nul\0byte",
        "\u202e/daq\u2066",
        "\ufeff",
        "~",
        "$HOME",
        "%s%n{run_id}{harm}",
        "host:/path",
        "rsync://127.0.0.1/x",
        "\x1b]0;harm\x07",
        "a" * 5000,
    ]
)
TEXT = NASTY | st.text(max_size=30).filter(lambda text: "harm" not in text)
HOSTILE = st.fixed_dictionaries(
    {},
    optional={
        "location": TEXT,
        "mode": TEXT,
        "reader": TEXT,
        "tag": TEXT,
        "host": TEXT,
        "user": TEXT,
        "status": TEXT,
        "owner": TEXT,
        "board": TEXT,
    },
)


def hostile(document: dict[str, Any], said: dict[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(document, default=str))
    changed |= {key: document[key] for key in ("start", "end")}
    if "location" in said:
        changed["data"][0]["location"] = said["location"]
    if "host" in said:
        changed["data"][0]["host"] = said["host"]
    if "mode" in said:
        changed["mode"] = said["mode"]
    if "user" in said:
        changed["user"] = said["user"]
    if "tag" in said:
        changed["tags"] = [{"name": said["tag"], "user": said["tag"]}]
    if "reader" in said:
        changed["daq_config"]["processing_threads"] = {said["reader"].replace("\0", ""): 1}
    if "board" in said:
        changed["daq_config"]["boards"] = [{"board": said["board"], "type": "V1730", "host": "x"}]
    changed["processing_status"] = said.get("status")
    changed["processing"] = {"owner": said.get("owner"), "log": said.get("location")}
    return changed


@pytest.fixture(scope="module")
def victim(
    mongod: MongoServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Site, dict[str, Any], Any]]:
    from servers.sshd import running_sshd  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("victim")
    site = Site(folder / "site", mongod.uri, f"test_{folder.name}")
    document = site.add_run(932)
    with running_sshd(folder / "sshd") as server:
        yield site, document, server.target()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=HOSTILE, by_ssh=st.booleans())
@example(said={"location": "$(touch harm)"}, by_ssh=True)
@example(said={"location": "/../../x; touch harm"}, by_ssh=True)
@example(said={"location": "nul\0byte"}, by_ssh=True)
@example(said={"location": "nul\0byte"}, by_ssh=False)
@example(said={"location": "-rf"}, by_ssh=False)
@example(said={"reader": "../../../harm"}, by_ssh=False)
def test_a_hostile_document_runs_nothing_and_stays_in_its_folders(
    said: dict[str, str],
    by_ssh: bool,
    victim: tuple[Site, dict[str, Any], Any],
    monkeypatch: pytest.MonkeyPatch,
):
    site, good, target = victim
    monkeypatch.chdir(site.work)
    document = hostile(good, said)
    site.collection.delete_many({})
    with rundb.open_database(config.load([site.configfile]).rundb) as database:
        site.collection.insert_one(document)
        loaded = config.load([site.configfile])
        daq = config.Daq(ssh=target if by_ssh else None, live_data=None)
        outside = {path for path in site.folder.iterdir() if path != site.work}
        try:
            received = transfer_run(database.get(932), daq, loaded.storage)
            receipts.write(layout.transfer_receipt("000932"), received)
            for entry in publish.data_entries(received, [], host=loaded.storage.host):
                database.add_data(932, entry)
        except XamsflowError as error:
            assert len(str(error).splitlines()) == 1
            assert "\x1b" not in str(error)
        claim = database.claim_any(932, "tester:1:1:1", ["raw_records_v1730"])
        if claim is not None:
            database.release(claim, "as it was")
        # Looking at it is safe, too.
        database.pending(loaded.select)
        database.runs()
    assert {path for path in site.folder.iterdir() if path != site.work} == outside
    roots = {path.name for path in site.work.iterdir()}
    assert roots <= {"data", "results", ".snakemake"}, roots
    assert {path.name for path in (site.work / "data").glob("*/*")} <= {
        *("000932", "000932.incoming", ".runs")
    }
    assert not list(site.folder.rglob("harm*")) and not list(Path.home().glob("harm*"))


def test_a_hostile_document_is_shown_as_text(site: Site):
    site.add_run(932, status="failed")
    site.collection.update_one(
        {"number": 932},
        {"$set": {"mode": "\x1b]0;harm\x07\nbad", "processing.reason": "\x1b[31mred\r\nline"}},
    )
    for verb in (["status"], ["show", "932"], ["status", "--json"], ["reconcile"]):
        answer = site.verb(*verb)
        assert "\x1b]" not in answer.stdout + answer.stderr, verb
        assert "\x1b[31m" not in answer.stdout + answer.stderr, verb
