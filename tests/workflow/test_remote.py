"""All of it with a DAQ host by ssh and a run database through a tunnel, with passwords."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest

from servers.sshd import make_key, running_sshd
from site_for_tests import Site
from workflow.test_bad_input import assert_one_line
from xamsflow.simulate.embedded_mongod import MongoServer


@pytest.fixture
def sshd(tmp_path: Path):
    with running_sshd(tmp_path / "sshd") as server:
        yield server


def ssh_settings(target: Any) -> dict[str, Any]:
    return {
        "host": target.host,
        "port": target.port,
        "user": target.user,
        "identity_file": str(target.identity_file),
        "known_hosts": str(target.known_hosts),
    }


@pytest.fixture
def remote_site(tmp_path: Path, mongod_with_users: MongoServer, sshd: Any) -> Site:
    """A site whose DAQ host and run database are reachable only by ssh."""
    server = mongod_with_users
    return RemoteSite(
        tmp_path / "site",
        server.uri,
        f"test_{tmp_path.name}",
        settings={
            "daq": ssh_settings(sshd.target()),
            "rundb": {"tunnel": ssh_settings(sshd.target())},
        },
        environment={"MONGO_USER": server.user or "", "MONGO_PASSWORD": server.password or ""},
    )


class RemoteSite(Site):
    """The tests themselves go to the database directly, with the password."""

    @property
    def collection(self) -> Any:
        client = pymongo.MongoClient(
            self.uri,
            username=self.environment["MONGO_USER"],
            password=self.environment["MONGO_PASSWORD"],
            tz_aware=True,
        )
        return client[self.database]["runs_new"]

    def insert(self, document: dict[str, Any]) -> None:
        self.collection.insert_one(document)


def test_everything_by_ssh_leaves_no_password_anywhere(remote_site):
    site = remote_site
    for number in (931, 932):
        site.add_run(number)
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(931) == site.status(932) == "done"
    password = site.environment["MONGO_PASSWORD"]
    assert password not in done.stdout
    for path in site.folder.rglob("*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path
    listed = site.xamsflow("status")
    assert listed.returncode == 0, listed.stderr
    assert ": 2 done" in listed.stdout


def test_a_wrong_password(remote_site):
    site = remote_site
    site.environment["MONGO_PASSWORD"] = "wrong-secret"
    refused = site.snakemake("-n")
    assert_one_line(refused, "password")
    assert "wrong-secret" not in refused.stdout


def test_a_refused_key_fails_the_run(remote_site, sshd, tmp_path):
    site = remote_site
    site.add_run(932)
    make_key(tmp_path / "other_key")
    site.configure(daq={"identity_file": str(tmp_path / "other_key")})
    assert_one_line(site.snakemake(), "127.0.0.1")
    assert site.status(932) == "failed"
    assert site.document(932)["processing"]["failure"] == "configuration"


def test_a_changed_host_key_is_refused(remote_site, sshd, tmp_path):
    site = remote_site
    site.add_run(932)
    make_key(tmp_path / "other_key")
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{sshd.port} {(tmp_path / 'other_key.pub').read_text()}")
    site.configure(daq={"known_hosts": str(known)})
    assert_one_line(site.snakemake(), "the key of", "has changed")
    assert site.status(932) == "failed"
    assert not (site.work / "data" / "live_data" / "000932").exists()


def test_a_location_with_spaces_and_quotes_does_no_harm(remote_site):
    site = remote_site
    site.add_run(932)
    hostile = site.folder / "daq $(touch harm) 'a' \"b\"; touch harm"
    site.daq.rename(hostile)
    site.collection.update_one({"number": 932}, {"$set": {"data.0.location": str(hostile)}})
    site.configure(daq={"live_data": None})
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(932) == "done"
    assert not list(site.folder.rglob("harm")) and not list(Path.home().glob("harm"))


def test_a_run_that_is_still_being_taken_is_refused(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    site.add_run(932)
    site.collection.update_one({"number": 932}, {"$set": {"end": None}})
    assert_one_line(site.snakemake("results/000932/rundoc.json"), "000932", "taken")
    # Nothing is wrong with it: it waits for the next `snakemake` run.
    assert site.status(932) == "pending"
    assert site.document(932).get("processing_failed", 0) == 0
    # If THE_END is missing although the run ended long ago, the DAQ crashed.
    site.add_run(933)
    the_end = next((site.daq / "000933" / "THE_END").iterdir())
    the_end.rename(site.folder / the_end.name)
    assert_one_line(site.snakemake(), "THE_END")
    assert site.status(933) == "failed"


def test_an_account_that_may_only_read_is_enough_for_a_preview(remote_site, mongod_with_users):
    site = remote_site
    site.add_run(932)
    server = mongod_with_users
    with pymongo.MongoClient(server.uri, username=server.user, password=server.password) as client:
        client.admin.command(
            "createUser",
            "reader",
            pwd="reader-secret",
            roles=[{"role": "read", "db": site.database}],
        )
        try:
            site.environment = {"MONGO_USER": "reader", "MONGO_PASSWORD": "reader-secret"}
            preview = site.snakemake("-n")
            assert preview.returncode == 0, preview.stdout
            assert "000932" in preview.stdout
            assert_one_line(site.snakemake(), "not authorized")
        finally:
            client.admin.command("dropUser", "reader")
