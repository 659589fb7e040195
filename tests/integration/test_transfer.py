"""Transfers with the real rsync, on this machine and from a real sshd."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from live_folder import READER, THREADS, content, make_run, run_document, write
from servers.sshd import Sshd, descendants, make_key, running_sshd
from xamsflow.base import clock
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.redax import rundoc
from xamsflow.settings import config
from xamsflow.settings.config import Daq, Rundb, Source, SshHost, Storage
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import transfer_run

DEADLINE = 30
"""Seconds after which a test that waits for something fails."""


class Places:
    """A DAQ's folder and the cluster's, with one run on the DAQ."""

    def __init__(self, folder: Path) -> None:
        self.daq = folder / "daq"
        self.storage = folder / "cluster"
        self.run = make_run(self.daq)
        self.destination = self.storage / "000932"
        self.incoming = self.storage / "000932.incoming"

    def transfer(self, host: SshHost | None = None, **document: Any) -> Receipt:
        return transfer_run(
            run_document(**document),
            Daq(ssh=host, live_data=self.daq),
            Storage(self.storage, self.storage / "processed", host="cluster"),
        )

    def fails(self, kind: type[XamsflowError], host: SshHost | None = None, **document: Any) -> str:
        """Return the message; the source stays as it was, and no folder counts as complete."""
        before = content(self.daq)
        with pytest.raises(XamsflowError) as caught:
            self.transfer(host, **document)
        assert type(caught.value) is kind, caught.value
        assert content(self.daq) == before
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


# Whether the DAQ may still write


def test_a_late_thread_is_waited_for_however_far_a_clock_is_ahead(
    places: Places, host: SshHost | None
) -> None:
    """Its files come after all others are here, and nothing has told of it before."""
    late = {path: path.read_bytes() for path in places.run.rglob(f"{READER}_{THREADS[1]}")}
    for path in late:
        path.unlink()

    def write_late() -> None:
        others = [places.incoming / path for path in content(places.run)]
        wait_until(lambda: all(path.exists() for path in others), "all others are here")
        for path, data in late.items():
            path.write_bytes(data)

    def transfer() -> Receipt:
        return transfer_run(
            run_document(ended_ago=timedelta(seconds=5)),
            Daq(ssh=host, live_data=places.daq),
            Storage(places.storage, places.storage / "processed", host="cluster"),
            now=lambda: clock.now() + timedelta(seconds=90),
            idle_after=timedelta(seconds=5),
        )

    writer = threading.Thread(target=write_late)
    writer.start()
    with pytest.raises(StillTakenError, match="changed"):
        transfer()
    writer.join()
    assert not places.destination.exists()
    receipt = transfer()
    assert receipt["the_end"] == [f"{READER}_{thread}" for thread in THREADS]
    assert content(places.destination) == content(places.run)


def test_a_thread_that_stays_idle_costs_a_minute_once(places: Places) -> None:
    for path in places.run.rglob(f"{READER}_{THREADS[1]}"):
        path.unlink()

    def duration_s(ended_ago: timedelta, idle_after_s: float) -> float:
        return float(
            transfer_run(
                run_document(ended_ago=ended_ago),
                Daq(ssh=None, live_data=places.daq),
                Storage(places.storage, places.storage / "processed", host="cluster"),
                idle_after=timedelta(seconds=idle_after_s),
            )["duration_s"]
        )

    assert duration_s(timedelta(minutes=1), 1) >= 1
    assert duration_s(timedelta(hours=1), 50) < 50


# Whose data a storage has


def test_a_storage_holds_one_run_of_a_number(places: Places, tmp_path: Path) -> None:
    """Here the DAQ has the other one no more, so that nothing could be compared."""
    settings = [replace(config.load().rundb, collection=name) for name in ("runs_new", "runs_gas")]

    def transfer(settings: Rundb, **document: Any) -> Receipt:
        return transfer_run(
            run_document() | document,
            Daq(ssh=None, live_data=places.daq),
            Storage(places.storage, places.storage / "processed", host="cluster"),
            settings=settings,
        )

    identity = transfer(settings[0], _id="a")["identity"]
    assert identity["collection"] == "run.runs_new"
    assert identity["document"] == "a"
    assert identity["daq_folder"] == str(places.daq)
    places.run.rename(tmp_path / "moved away")
    assert transfer(settings[0], _id="a")["compared"] == "source gone"
    with pytest.raises(ConfigurationError, match=r"another run 000932: its collection is .*_new"):
        transfer(settings[1], _id="a")
    with pytest.raises(ConfigurationError, match="its document _id is a, not b"):
        transfer(settings[0], _id="b")
    with pytest.raises(ConfigurationError, match="its start is "):
        transfer(settings[0], _id="a", start=datetime(2024, 3, 2))
    places.destination.rename(tmp_path / "moved away, too")
    (tmp_path / "moved away").rename(places.run)
    assert transfer(settings[1], _id="b")["copied_bytes"] > 0


# What a good transfer leaves


def test_copies_everything(places: Places, host: SshHost | None) -> None:
    before = content(places.run)
    receipt = places.transfer(host)
    assert content(places.destination) == before == content(places.run)
    assert not places.incoming.exists()
    for path in before:
        assert int((places.destination / path).stat().st_mtime) == int(
            (places.run / path).stat().st_mtime
        )
    assert "000000_post_temp" in before  # empty folders are part of the run
    assert receipt["files"] == [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(before.items())
        if data is not None
    ]
    size = sum(file["size"] for file in receipt["files"])
    assert receipt["bytes"] == receipt["copied_bytes"] == size
    assert receipt["run_id"] == "000932"
    assert receipt["compared"] == "checksums"
    assert receipt["the_end"] == [f"{READER}_{thread}" for thread in THREADS]
    assert receipt["source"]["path"] == str(places.run)
    assert receipt["destination"] == str(places.destination)
    assert receipt["run_document"]["number"] == {"$numberInt": "932"}
    assert set(receipt["versions"]) == {"xamsflow", "rsync"}
    assert receipt["duration_s"] >= 0
    assert datetime.fromisoformat(receipt["time"]).tzinfo == UTC
    json.dumps(receipt)


def test_location_of_the_run_document(places: Places) -> None:
    transfer_run(
        run_document(location=places.daq),
        Daq(None, None),
        Storage(places.storage, places.storage, "cluster"),
    )
    assert content(places.destination) == content(places.run)


def test_real_run(real_data: Path, tmp_path: Path) -> None:
    document = rundoc.from_json(json.loads((real_data / "rundoc_002240.json").read_text()))
    storage = Storage(tmp_path, tmp_path, "cluster")
    receipt = transfer_run(document, Daq(None, real_data / "live_data"), storage)
    assert receipt["compared"] == "checksums"
    assert content(tmp_path / "002240") == content(real_data / "live_data" / "002240")


def test_no_location_at_all(places: Places) -> None:
    document = run_document() | {"data": []}
    with pytest.raises(ConfigurationError, match=r"daq\.live_data"):
        transfer_run(document, Daq(None, None), Storage(places.storage, places.storage, "cluster"))


def test_relative_paths(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places.daq.parent)
    storage = Storage(Path("cluster"), Path("processed"), "cluster")
    receipt = transfer_run(run_document(), Daq(None, Path("daq")), storage)
    assert receipt["destination"] == str(places.destination)
    assert content(places.destination) == content(places.run)


def test_empty_run(places: Places, host: SshHost | None) -> None:
    (places.daq / "000005").mkdir()
    receipt = places.transfer(host, number=5)
    assert (receipt["files"], receipt["the_end"]) == ([], [])
    assert (places.storage / "000005").is_dir()


def test_read_only_files_and_folders(places: Places, host: SshHost | None) -> None:
    for path in places.run.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        places.transfer(host)
        assert content(places.destination) == content(places.run)
    finally:
        for path in places.run.rglob("*"):
            path.chmod(0o755)


HOSTILE = [
    ["with space", "quotes ' \" `", "ünïcödé ☢", "100%h", "~", "back\\slash\\"],
    ["-e touch MARK", "--delete", "host:path", "::module", "*?[x]\\*", "{a,b}"],
    ["$(touch MARK)", "`touch MARK`", "; touch MARK #", "& touch MARK &", "new\nline; touch MARK"],
]
"""Names of folders, each inside the one before."""


@pytest.mark.parametrize("names", HOSTILE)
def test_hostile_names(tmp_path: Path, host: SshHost | None, names: list[str]) -> None:
    mark = f"mark-{os.getpid()}-{tmp_path.name}"
    places = Places(tmp_path.joinpath(*(name.replace("MARK", mark) for name in names)))
    receipt = places.transfer(host)
    assert content(places.destination) == content(places.run)
    assert receipt["source"]["path"] == str(places.run)
    for folder in (Path.cwd(), Path.home(), tmp_path, places.daq, places.storage):
        assert not (folder / mark).exists()


def test_folder_that_looks_like_a_pattern_is_taken_by_name(tmp_path: Path, server: Sshd) -> None:
    right = Places(tmp_path / "live[12]")
    make_run(tmp_path / "live1" / "daq", seed=2)
    right.transfer(server.target())
    assert content(right.destination) == content(right.run)


def test_environment_for_rsync_is_ignored(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSYNC_ICONV", "utf-8,latin1")
    monkeypatch.setenv("RSYNC_RSH", "false")
    monkeypatch.setenv("RSYNC_OLD_ARGS", "1")
    places.transfer()
    assert content(places.destination) == content(places.run)


# Already there


def test_already_complete(places: Places, host: SshHost | None) -> None:
    first = places.transfer(host)
    inodes = {path: path.stat().st_ino for path in places.destination.rglob("*")}
    second = places.transfer(host)
    assert second["copied_bytes"] == 0
    assert second["compared"] == "checksums"
    assert second["files"] == first["files"]
    assert inodes == {path: path.stat().st_ino for path in places.destination.rglob("*")}


def same_size(folder: Path) -> str:
    path = next(path for path in sorted(folder.glob("000001/*")) if path.stat().st_size)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path.name


def shorter(folder: Path) -> str:
    path = next(path for path in sorted(folder.glob("000001/*")) if path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1])
    return path.name


def missing(folder: Path) -> str:
    path = min(folder.glob("000001/*"))
    path.unlink()
    return path.name


def surplus(folder: Path) -> str:
    write(folder / "000007" / "notes", b"x")
    return "000007/notes"


def missing_folder(folder: Path) -> str:
    (folder / "000000_temp").rmdir()
    return "000000_temp"


@pytest.mark.parametrize("change", [same_size, shorter, missing, surplus, missing_folder])
def test_differs(places: Places, host: SshHost | None, change: Callable[[Path], str]) -> None:
    places.transfer()
    name = change(places.destination)
    before = content(places.destination)
    message = places.fails(BadDataError, host)
    assert name in message
    assert "nothing was overwritten" in message
    assert content(places.destination) == before


def test_source_gone(places: Places, host: SshHost | None) -> None:
    first = places.transfer()
    shutil.rmtree(places.run)
    receipt = places.transfer(host)
    assert receipt["compared"] == "source gone"
    assert receipt["copied_bytes"] == 0
    assert receipt["files"] == first["files"]
    missing_end = places.destination / "THE_END" / f"{READER}_{THREADS[0]}"
    missing_end.unlink()
    assert missing_end.name in places.fails(BadDataError, host)


@pytest.mark.parametrize("listed", ["only the copy", "the copy first", "nothing"])
def test_a_copy_counts_by_its_host(places: Places, host: SshHost | None, listed: str) -> None:
    """Other tools add entries in any order, and move the DAQ's to deleted_data."""
    places.transfer()
    document = run_document(location=places.daq)
    copy = {"type": "live", "host": "cluster", "location": str(places.storage)}
    document["data"] = {
        "only the copy": [copy],
        "the copy first": [copy, *document["data"]],
        "nothing": [],
    }[listed]
    storage = Storage(places.storage, places.storage / "processed", host="cluster")
    daq = Daq(host, None, cluster="cluster")
    shared = host is None and listed == "only the copy"  # then the folders are one
    expected = {"the copy first": "checksums"}.get(listed, "in place" if shared else "source gone")
    assert transfer_run(document, daq, storage)["compared"] == expected
    if listed != "the copy first":
        places.destination.rename(places.daq / "elsewhere")
        with pytest.raises((BadDataError, ConfigurationError)):
            transfer_run(document, daq, storage)


def test_source_gone_and_nothing_here(places: Places) -> None:
    shutil.rmtree(places.run)
    places.destination.mkdir(parents=True)
    assert "lost" in places.fails(BadDataError)


def test_in_place(places: Places) -> None:
    before = content(places.daq)
    places.storage.symlink_to(places.daq)
    receipt = places.transfer()
    assert receipt["compared"] == "in place"
    assert receipt["copied_bytes"] == 0
    assert len(receipt["files"]) == sum(data is not None for data in before.values())
    assert content(places.daq) == before


# Copies at other places


def away() -> SshHost:
    """Return a host on which nothing listens."""
    return SshHost("127.0.0.1", port=1, user="nobody")


def test_the_nearest_complete_copy_is_taken(places: Places, server: Sshd, tmp_path: Path) -> None:
    """Before it come one that is away, one without the run, and one that is incomplete."""
    disks = {name: tmp_path / name for name in ("empty", "half", "archive")}
    for folder in disks.values():
        folder.mkdir()
    shutil.copytree(places.run, disks["half"] / "000932")
    shutil.rmtree(disks["half"] / "000932" / "THE_END")
    places.run.rename(disks["archive"] / "000932")
    before = content(disks["archive"])
    sources = [
        Source("tape", away(), tmp_path),
        Source("disk", None, disks["empty"]),
        Source("dcache", None, disks["half"]),
        Source("archive", server.target(), None),  # where the run document says
        daq := Daq(None, places.daq, "cluster", ("tape", "disk", "dcache", "archive")),
    ]
    document = run_document()
    document["data"].append({"type": "live", "host": "archive", "location": str(disks["archive"])})
    storage = Storage(places.storage, places.storage / "processed", host="cluster")

    def transfer() -> Receipt:
        return transfer_run(document, daq, storage, sources=sources)

    receipt = transfer()
    assert content(places.destination) == content(disks["archive"] / "000932")
    assert content(disks["archive"]) == before
    assert (receipt["compared"], receipt["source"]["name"]) == ("checksums", "archive")
    assert receipt["source"]["path"] == str(disks["archive"] / "000932")
    told = receipt["source"]["passed_over"]
    assert [one.partition(":")[0] for one in told] == ["tape", "disk", "dcache"]
    assert "cannot reach" in told[0]
    assert "is missing" in told[1]
    assert "THE_END lacks" in told[2]
    # It is verified like any other.
    damaged = next(path for path in places.destination.rglob("*_139*") if path.stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[::-1])
    with pytest.raises(BadDataError, match=r"the content of .* differs"):
        transfer()
    # What is here and complete needs no source.
    shutil.rmtree(disks["archive"] / "000932")
    assert transfer()["compared"] == "source away"
    # A place that is away may have it.
    shutil.rmtree(places.destination)
    with pytest.raises(TransientError, match=r"from any source: tape: .*; archive: .*; daq: .* mi"):
        transfer()
    del sources[0]
    with pytest.raises(BadDataError, match="from any source: disk"):
        transfer()


@pytest.fixture
def breaks_off(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, int], Receipt]:
    """Transfer a run from a nearer source and the DAQ; a copy from one of them breaks off."""
    shutil.copytree(places.run, tmp_path / "dcache" / "000932")
    daq = Daq(None, places.daq, "cluster", ("dcache",))
    storage = Storage(places.storage, places.storage / "processed", host="cluster")
    sources = [Source("dcache", None, tmp_path / "dcache"), daq]
    real = shutil.which("rsync")

    def transfer(place: str, message: str, code: int) -> Receipt:
        program = tmp_path / "bin" / "rsync"
        write(
            program,
            f'#!/bin/sh\ncase "$*" in */{place}/*) {real} --include="*/" --include="*_post/*" '
            f"--exclude='*' \"$@\"; echo '{message}' >&2; exit {code};; esac\n"
            f'exec {real} "$@"\n'.encode(),
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return transfer_run(run_document(), daq, storage, sources=sources)

    return transfer


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", 30),
        ('rsync: [sender] send_files failed to open "/dcache/a": Permission denied (13)', 23),
        ('file has vanished: "/dcache/a"', 24),
    ],
)
def test_a_copy_that_breaks_off_goes_on_from_the_next_source(
    places: Places, breaks_off: Callable[..., Receipt], message: str, code: int
) -> None:
    """What only the first source had is set aside."""
    only_there = next((places.run / "000000_post").iterdir())
    before = only_there.read_bytes()
    only_there.unlink()
    receipt = breaks_off("dcache", message, code)
    assert content(places.destination) == content(places.run)
    assert receipt["source"]["name"] == "daq"
    assert 0 < receipt["copied_bytes"] < receipt["bytes"]
    (told,) = receipt["source"]["passed_over"]
    assert (message or f"(exit code {code})") in told
    (aside,) = (places.storage / ".set_aside").rglob(only_there.name)
    assert aside.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "message", "kind"),
    [
        (
            "dcache",
            'rsync: [receiver] mkstemp "/x" failed: Permission denied (13)',
            ConfigurationError,
        ),
        ("dcache", 'rsync: [receiver] write "/x": No space left on device (28)', ResourcesError),
        ("daq", 'file has vanished: "/daq/a"', StillTakenError),
    ],
)
def test_what_no_other_source_can_mend_is_not_passed_over(
    places: Places,
    breaks_off: Callable[..., Receipt],
    place: str,
    message: str,
    kind: type[XamsflowError],
) -> None:
    if place == "daq":
        shutil.rmtree(places.run.parents[1] / "dcache" / "000932")
    with pytest.raises(kind) as caught:
        breaks_off(place, message, 23)
    assert message in str(caught.value)
    assert "from any source" not in str(caught.value)


@pytest.mark.parametrize("nearest", ["dcache", "daq"])
def test_a_copy_that_differs_names_the_source_to_choose(
    places: Places, tmp_path: Path, nearest: str
) -> None:
    shutil.copytree(places.run, tmp_path / "dcache" / "000932")
    shutil.copytree(places.run, places.destination)
    same_size(places.destination)
    daq = Daq(None, places.daq, "cluster", ("dcache",))
    sources = [Source("dcache", None, tmp_path / "dcache"), daq]
    if nearest == "daq":
        (tmp_path / "dcache" / "000932" / "THE_END").rename(tmp_path / "the end")
    storage = Storage(places.storage, places.storage / "processed", host="cluster")
    with pytest.raises(BadDataError) as caught:
        transfer_run(run_document(), daq, storage, sources=sources)
    assert str(caught.value).endswith(
        "if it is that of dcache: xamsflow retransfer 000932"
        if nearest == "dcache"
        else "if it is the DAQ's: put daq first in sources, then xamsflow retransfer 000932"
    )


# Interrupted


SCRIPT = """
import json, sys
from pathlib import Path
from live_folder import run_document
from xamsflow.redax import rundoc
from xamsflow.settings import config
from xamsflow.settings.config import Daq, Rundb, SshHost, Storage
from xamsflow.transfer import transfer_run
daq, storage, host = json.loads(sys.argv[1])
if host:
    for key in ("identity_file", "known_hosts"):
        host[key] = Path(host[key])
    host = SshHost(**host)
transfer_run(run_document(), Daq(host, Path(daq)), Storage(Path(storage), Path(storage), "here"))
"""


@pytest.fixture
def slow_rsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the real rsync slow enough to be caught on the way."""
    program = tmp_path / "bin" / "rsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("rsync")} --bwlimit=4000 "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def bytes_in(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it has just been renamed
            size += path.stat().st_size if path.is_file() else 0
    return size


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def working_on(folder: Path) -> list[int]:
    """Return the rsync processes that name a folder in their arguments."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if words[0].endswith(b"rsync") and any(os.fsencode(folder) in word for word in words):
            found.append(int(process.name))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_killed_and_resumed(tmp_path: Path, slow_rsync: None, server: Sshd, seed: int) -> None:
    rng = random.Random(seed)
    places = Places(tmp_path)
    places.run = make_run(places.daq, "000932x", size=40_000, seed=seed)
    shutil.rmtree(places.daq / "000932")
    places.run = places.run.rename(places.daq / "000932")
    size = bytes_in(places.run)
    host = server.target() if seed % 2 else None
    as_json = {key: str(value) for key, value in vars(host).items()} if host else None
    if as_json:
        as_json["port"] = host.port  # type: ignore[assignment, union-attr]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps([str(places.daq), str(places.storage), as_json])],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.PIPE,
    )
    try:
        stop_at = rng.randrange(1, size * 3 // 4)
        wait_until(
            lambda: bytes_in(places.storage) >= stop_at or process.poll() is not None, "no copy"
        )
        if rng.random() < 0.5:
            os.kill(process.pid, rng.choice([signal.SIGKILL, signal.SIGTERM]))
        else:
            for pid in descendants(process.pid)[1:]:
                with suppress(ProcessLookupError):  # rsync's two processes may end each other
                    os.kill(pid, signal.SIGKILL)
        errors = process.communicate(timeout=DEADLINE)[1]
    finally:
        process.kill()
        process.wait()
    if process.returncode == 0:
        # The last byte was there before the kill.
        assert content(places.destination) == content(places.run)
        return
    assert not places.destination.exists(), errors
    wait_until(lambda: not working_on(places.storage), "a copy goes on")

    finished = sum(
        path.stat().st_size
        for path in places.incoming.rglob("*")
        if path.is_file()
        and path.stat().st_mtime_ns // 10**9
        == (places.run / path.relative_to(places.incoming)).stat().st_mtime_ns // 10**9
        and path.read_bytes() == (places.run / path.relative_to(places.incoming)).read_bytes()
    )
    receipt = places.transfer(host)
    assert content(places.destination) == content(places.run)
    assert receipt["copied_bytes"] <= size - finished
    assert not places.incoming.exists()


def test_what_a_power_cut_leaves_is_repaired(places: Places, host: SshHost | None) -> None:
    shutil.copytree(places.run, places.incoming)  # with the times
    same_size(places.incoming)
    receipt = places.transfer(host)
    assert content(places.destination) == content(places.run)
    assert receipt["copied_bytes"] > 0


def test_foreign_file_in_the_incoming_folder(places: Places, host: SshHost | None) -> None:
    write(places.incoming / "000000" / "notes", b"x")
    assert "000000/notes" in places.fails(BadDataError, host)
    assert (places.incoming / "000000" / "notes").read_bytes() == b"x"
    assert not places.destination.exists()


@contextmanager
def meanwhile(places: Places, action: Callable[[], object]) -> Iterator[None]:
    """Do something while the copy is on its way."""

    def act() -> None:
        wait_until(lambda: places.incoming.exists() and bytes_in(places.incoming) > 0, "no copy")
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_source_changes_meanwhile(places: Places, host: SshHost | None, slow_rsync: None) -> None:
    make_run(places.daq, "000933", size=50_000)
    places.incoming = places.storage / "000933.incoming"
    late = places.daq / "000933" / "000003" / f"{READER}_{THREADS[0]}"
    with (
        meanwhile(places, lambda: write(late, b"late")),
        pytest.raises(StillTakenError, match="changed during"),
    ):
        places.transfer(host, number=933)
    assert not (places.storage / "000933").exists()
    receipt = places.transfer(host, number=933)
    assert receipt["copied_bytes"] <= 4
    assert content(places.storage / "000933") == content(places.daq / "000933")


def test_connection_lost(tmp_path: Path, slow_rsync: None) -> None:
    places = Places(tmp_path / "site")
    make_run(places.daq, "000933", size=50_000)
    places.incoming = places.storage / "000933.incoming"
    with running_sshd(tmp_path / "sshd") as server:
        with meanwhile(places, server.kill):
            message = places.fails(TransientError, server.target(), number=933)
        assert "again" in message
        assert "cannot reach" in places.fails(TransientError, server.target(), number=933)
        server.start()
        places.transfer(server.target(), number=933)
    assert content(places.storage / "000933") == content(places.daq / "000933")


# Refused


@pytest.mark.parametrize(
    ("ended_ago", "kind"),
    [
        (None, StillTakenError),
        (timedelta(minutes=1), StillTakenError),
        (timedelta(minutes=11), BadDataError),
    ],
)
def test_not_finished(
    places: Places, host: SshHost | None, ended_ago: timedelta | None, kind: type[XamsflowError]
) -> None:
    end = places.run / "THE_END" / f"{READER}_{THREADS[1]}"
    end.unlink()
    message = places.fails(kind, host, ended_ago=ended_ago)
    assert ended_ago is None or end.name in message
    assert not places.destination.exists()
    assert not places.incoming.exists()


def test_end_missing_although_the_folder_is_complete(places: Places) -> None:
    assert "no end" in places.fails(StillTakenError, ended_ago=None)


def test_foreign_reader(places: Places, host: SshHost | None) -> None:
    assert READER in places.fails(BadDataError, host, readers={"other_reader_0": 2})
    assert "configured" in places.fails(BadDataError, host, readers={READER: 1})


def test_symbolic_link(places: Places, host: SshHost | None) -> None:
    (places.run / "000001" / f"{READER}_1").symlink_to("/etc/passwd")
    message = places.fails(BadDataError, host)
    assert f"000001/{READER}_1' is a symbolic link" in message
    assert not places.storage.exists()


def test_pipe(places: Places, host: SshHost | None) -> None:
    os.mkfifo(places.run / "000001" / "pipe")
    assert "000001/pipe" in places.fails(BadDataError, host)


def test_name_that_is_no_text(places: Places, host: SshHost | None) -> None:
    Path(os.fsdecode(os.fsencode(places.run) + b"/000001/\xff_1")).touch()
    message = places.fails(BadDataError, host)
    assert "xff" in message or "udcff" in message
    message.encode()  # can be written to a log


def test_run_missing(places: Places, host: SshHost | None) -> None:
    message = places.fails(BadDataError, host, number=17)
    assert str(places.daq / "000017") in message
    assert host is None or host.host in message


def test_parent_missing(places: Places, host: SshHost | None) -> None:
    places.daq = places.daq.parent / "unmounted" / "deep"
    message = places.fails(TransientError, host)
    assert str(places.daq) in message
    assert "mounted" in message


def test_run_is_a_file(places: Places, host: SshHost | None) -> None:
    (places.daq / "000017").touch()
    places.fails(BadDataError, host, number=17)


def test_relative_path_on_the_daq_host(places: Places, server: Sshd) -> None:
    places.daq = Path("daq")
    assert "absolute" in places.fails(ConfigurationError, server.target())


def test_unknown_and_changed_host_key(places: Places, server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("")
    target = server.target(known_hosts=known_hosts)
    assert "not known" in places.fails(ConfigurationError, target)
    make_key(tmp_path / "other")
    public = (tmp_path / "other.pub").read_text()
    known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}")
    assert "changed" in places.fails(ConfigurationError, target)
    assert not places.storage.exists()


def test_refused_key(places: Places, server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    target = server.target(identity_file=tmp_path / "stranger")
    assert "refused" in places.fails(ConfigurationError, target)


def test_no_sftp(places: Places, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd") as server:
        config = server.folder / "sshd_config"
        config.write_text(config.read_text().replace("Subsystem sftp internal-sftp", ""))
        server.kill()
        server.start()
        assert "SFTP" in places.fails(ConfigurationError, server.target())


def test_no_rsync_here(places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install rsync" in places.fails(ConfigurationError)


def test_no_rsync_there(places: Places, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd", environment={"PATH": "/nonexistent"}) as server:
        message = places.fails(ConfigurationError, server.target())
    assert "rsync is missing on" in message
    assert "127.0.0.1" in message


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small file system in memory, or skip where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_disk_full(places: Places, host: SshHost | None) -> None:
    make_run(places.daq, "000933", size=50_000)
    with mounted(places.storage, "size=300k"):
        message = places.fails(ResourcesError, host, number=933)
        assert "No space left" in message
        assert not (places.storage / "000933").exists()
        remount = ["mount", "-o", "remount,size=10m", str(places.storage)]
        subprocess.run(remount, check=True)
        receipt = places.transfer(host, number=933)
        assert receipt["copied_bytes"] < receipt["bytes"]
        assert content(places.storage / "000933") == content(places.daq / "000933")


def test_file_size_limit(places: Places, host: SshHost | None) -> None:
    """As a full disk, for users that may not mount one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        message = places.fails(ResourcesError, host)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in message
    assert not places.destination.exists()


def test_read_only_disk(places: Places, host: SshHost | None) -> None:
    with mounted(places.storage, "ro"):
        assert str(places.storage) in places.fails(ConfigurationError, host)


def test_folder_in_place_of_a_file(places: Places, host: SshHost | None) -> None:
    (places.incoming / "THE_END" / f"{READER}_{THREADS[0]}" / "x").mkdir(parents=True)
    assert "in the place of" in places.fails(ConfigurationError, host)
    assert (places.incoming / "THE_END" / f"{READER}_{THREADS[0]}" / "x").is_dir()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write and read everything")
def test_access_rights(places: Places, host: SshHost | None) -> None:
    places.storage.mkdir(mode=0o500)
    assert str(places.storage) in places.fails(ConfigurationError, host)
    places.storage.chmod(0o700)
    unreadable = places.run / "000000" / f"{READER}_{THREADS[0]}"
    unreadable.chmod(0)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        places.transfer(host)
    (places.run / "000000").chmod(0)
    with pytest.raises(ConfigurationError, match="cannot read"):
        places.transfer(host)
    (places.run / "000000").chmod(0o700)


@pytest.mark.parametrize("part", ["", "000932.incoming", "000932"])
def test_file_in_place_of_a_folder(places: Places, host: SshHost | None, part: str) -> None:
    write(places.storage / part if part else places.storage, b"x")
    kind = BadDataError if part == "000932" else ConfigurationError
    assert str(places.storage) in places.fails(kind, host)
