"""Runs that are followed while they are taken, with the real rsync, here and from a real sshd."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from live_folder import content
from servers.sshd import Sshd
from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, StillTakenError, TransientError, XamsflowError
from xamsflow.base.meter import Meter
from xamsflow.run.following import follow
from xamsflow.run.publish import check_followed
from xamsflow.settings import config, detector
from xamsflow.settings.config import Config, Daq, Follow, SshHost, Storage
from xamsflow.simulate import LiveRun, SimulatedRun, WrittenFile
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import Following, transfer_run


class Site:
    """A DAQ that takes a run, a few files between two looks at its document, and a cluster."""

    def __init__(self, folder: Path, host: SshHost | None = None, **settings: Any) -> None:
        self.folder = folder
        taking: dict[str, Any] = {"duration": 1.6, "chunk_length": 0.5, "chunk_overlap": 0.05}
        taking |= {"rate": 50.0, "threads": 2, "buffered_chunks": 0, **settings}
        run = SimulatedRun(number=7, detector=detector.load("xamsl"), **taking)
        self.live_run = LiveRun(run, folder / "daq")
        self.files: Iterator[WrittenFile] = iter(self.live_run)
        self.daq = Daq(ssh=host, live_data=folder / "daq")
        self.storage = Storage(folder / "cluster", folder / "processed", host="cluster")
        self.timing = Follow(interval_s=0.01, patience_s=60, show=True)

    def look(self) -> dict[str, Any]:
        for _ in range(2):
            next(self.files, None)
        return dict(self.live_run.document)

    def following(self) -> Following:
        return Following(self.look, self.daq, self.storage, self.timing)

    def follow(self, data_type: str = "raw_records_v1730", **changes: Any) -> Receipt:
        return follow(
            self.look,
            self.config(**changes),
            data_type=data_type,
            threads=1,
            meter=Meter(),
            now=clock.now,
        )

    def config(self, **changes: Any) -> Config:
        places = {"daq": self.daq, "storage": self.storage, "follow": self.timing}
        return replace(config.load(), detector="xamsl", **places, **changes)

    def transfer(self) -> Receipt:
        return transfer_run(self.live_run.document, self.daq, self.storage)


def test_all_is_here_at_the_end(tmp_path: Path, host: SshHost | None) -> None:
    site = Site(tmp_path, host)
    following = site.following()
    n_looks = 0
    while following.bring() is None:
        n_looks += 1
        here = {path for path, data in content(following.folder).items() if data is not None}
        assert not any("_temp/" in path for path in here)
    assert n_looks > 3
    assert following.duration == 1_600_000_000
    files = {path: data for path, data in content(tmp_path / "daq" / "000007").items() if data}
    assert {path: data for path, data in content(following.folder).items() if data} == files
    receipt = site.transfer()
    assert receipt["copied_bytes"] == 0
    assert content(tmp_path / "cluster" / "000007") == content(tmp_path / "daq" / "000007")


def test_data_are_made_and_the_receipt_says_so(tmp_path: Path, host: SshHost | None) -> None:
    site = Site(tmp_path, host)
    receipt = site.follow()
    assert receipt["processed"], receipt["reason"]
    assert receipt["after_end_s"] >= 0
    assert list((tmp_path / "processed").glob("000007-raw_records_v1730-*"))
    transferred = site.transfer()
    arrived = {file["path"]: file["sha256"] for file in transferred["files"]}
    assert receipt["checksums"].items() <= arrived.items()
    # Each part but the copies of overlaps that were not needed, and THE_END.
    assert set(arrived) - set(receipt["checksums"]) == {
        path for path in arrived if path.startswith("THE_END/")
    }


def test_where_runs_arrive_in_the_daqs_own_folder(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.storage = Storage(tmp_path / "daq", tmp_path / "processed", host="cluster")
    receipt = site.follow()
    assert receipt["processed"], receipt["reason"]
    assert receipt["copied_bytes"] == 0
    assert not list((tmp_path / "daq").glob("*.incoming"))
    assert site.transfer()["compared"] == "in place"


def test_nothing_comes_any_more(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.timing = Follow(interval_s=0.01, patience_s=1, show=True)
    site.files = iter(list(_first(site.files, 8)))
    with pytest.raises(StillTakenError, match="000007 has no end, and nothing was written for 1 s"):
        site.follow()


def test_a_run_whose_folder_is_not_there_yet(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "daq" / "000007").rename(tmp_path / "hidden")
    files, site.files = site.files, iter(())
    following = site.following()
    assert following.bring() is None
    (tmp_path / "hidden").rename(tmp_path / "daq" / "000007")
    site.files = files
    while following.bring() is None:
        pass
    assert site.transfer()["copied_bytes"] == 0


def test_a_run_database_that_is_away_for_a_while(tmp_path: Path) -> None:
    site = Site(tmp_path)
    look, n_asked = site.look, 0

    def sometimes() -> dict[str, Any]:
        nonlocal n_asked
        n_asked += 1
        document = look()
        if n_asked in (3, 4, 6):
            raise TransientError("the run database is away")
        return document

    site.look = sometimes  # type: ignore[method-assign]
    assert site.follow()["processed"]


def test_a_document_that_is_changed_meanwhile(tmp_path: Path) -> None:
    site = Site(tmp_path)
    look, n_asked = site.look, 0

    def corrected() -> dict[str, Any]:
        nonlocal n_asked
        n_asked += 1
        document = look()
        return document if n_asked < 3 else {**document, "start": document["start"] - timedelta(1)}

    site.look = corrected  # type: ignore[method-assign]
    receipt = site.follow()
    assert not receipt["processed"]
    assert "000007 was changed during data taking" in receipt["reason"]


def test_what_cannot_be_processed_still_arrives(tmp_path: Path) -> None:
    site = Site(tmp_path)
    receipt = site.follow(context="somebody.elses.context")
    assert not receipt["processed"]
    assert receipt["reason"] == "another context only reads runs that have ended"
    assert receipt["checksums"] == {}
    assert site.transfer()["copied_bytes"] == 0

    other = Site(tmp_path / "other")
    receipt = other.follow("no_such_type")
    assert "no_such_type" in receipt["reason"]
    assert other.transfer()["copied_bytes"] == 0


def test_an_idle_thread_is_waited_for(tmp_path: Path) -> None:
    """It counts as idle where nothing changes any more, whatever the clocks say."""
    site = Site(tmp_path, threads=2, idle_threads=1, start=clock.now() - timedelta(seconds=90))
    following = Following(
        site.look, site.daq, site.storage, site.timing, idle_after=timedelta(seconds=2)
    )
    last = time.monotonic()
    while following.bring() is None:
        if next(site.files, None) is not None:
            last = time.monotonic()
    assert time.monotonic() - last >= 2


def test_bytes_that_changed_behind_it_are_noticed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    site = Site(tmp_path)
    receipt = site.follow()
    results = tmp_path / "results" / "000007"
    results.mkdir(parents=True)
    (results / "follow.json").write_text(json.dumps(receipt))
    transferred = site.transfer()
    check_followed("000007", transferred)
    transferred["files"][0]["sha256"] = "0" * 64
    with pytest.raises(BadDataError, match="followed during data taking, but 000000/"):
        check_followed("000007", transferred)
    (results / "follow.json").unlink()
    check_followed("000007", transferred)


def test_a_wrong_host_key_is_no_reason_to_wait(tmp_path: Path, server: Sshd) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.touch()
    target = server.target()
    host = SshHost(target.host, target.port, target.user, target.identity_file, known_hosts)
    with pytest.raises(XamsflowError, match="is not known in"):
        Site(tmp_path, host).follow()


def _first(files: Iterator[WrittenFile], number: int) -> Iterator[WrittenFile]:
    for _, file in zip(range(number), files, strict=False):
        yield file
