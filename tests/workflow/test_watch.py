"""`xamsflow watch` on the real workflow: runs come, servers go, people stop and kill it."""

import contextlib
import os
import signal
import subprocess
import time
from datetime import timedelta

import pymongo
import pytest

import page_of_runs
from servers.mongod import restartable
from servers.sshd import command_line, descendants
from site_for_tests import XAMSFLOW, Site
from xamsflow.base import clock, process
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun
from xamsflow.state import claims, layout
from xamsflow.state.claims import Claim, Order

SHORT = {"duration": 0.6, "rate": 50.0}
PATIENCE_S = 120


class Watched:
    """`xamsflow watch` at a site, with its output in a file."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [str(XAMSFLOW), "watch", "--profile", "local", "--interval", "0.3", *arguments]
        where = ["--directory", str(self.site.work), "--configfile", str(self.site.configfile)]
        with (self.site.folder / "said").open("a") as said:
            started = subprocess.Popen(
                [*command, *where],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self._processes.append(started)
        return started

    @property
    def said(self) -> str:
        return (self.site.folder / "said").read_text()

    def wait_for_line(self, text: str) -> None:
        self.wait_for(lambda: text in self.said)

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time\n{self.said}"
            time.sleep(0.1)

    def wait_for_status(self, number: int, *statuses: str) -> None:
        def fulfilled() -> bool:
            return self.site.document(number).get("processing_status") in statuses

        self.wait_for(fulfilled)

    def end(self, process: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> int:
        process.send_signal(number)
        return process.wait(PATIENCE_S)

    def clean(self) -> None:
        for started in self._processes:
            for pid in [started.pid, *descendants(started.pid)]:
                kill(pid)
            started.wait()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def drivers(watch: "subprocess.Popen[str]") -> list[int]:
    """Return the processes of the drivers started by a watch."""
    found = []
    for pid in descendants(watch.pid)[1:]:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            if os.getpgid(pid) == pid:
                found.append(pid)
    return found


@pytest.fixture
def watched(site):
    made = Watched(site)
    yield made
    made.clean()


def transitions(site: Site, number: int) -> list[str]:
    return [entry["to"] for entry in site.document(number)["processing"]["history"]]


def test_runs_are_processed_as_they_end_and_a_long_one_holds_up_none(site, watched):
    site.add_run(900, status=None, **SHORT)  # it ended long ago
    now = {"start": clock.now() - timedelta(minutes=1)}
    taking = SimulatedRun(
        number=903,
        detector=detector.load("xamsl"),
        chunk_length=0.5,
        chunk_overlap=0.1,
        **SHORT,
        **now,
    )
    live_run = LiveRun(taking, site.daq)
    site.insert(live_run.document)
    files = iter(live_run)
    with site.busy(901):
        site.add_run(901, status=None, **SHORT, **now)
        watch = watched.start("--max-jobs", "2")
        watched.wait_for_line("000901 has ended: pending")
        watched.wait_for_status(901, "submitted", "running")
        # One place is free next to the long run.
        site.add_run(902, status=None, **SHORT, **now)
        watched.wait_for_status(902, "done")
        next(files)
        assert "processing_status" not in site.document(903)  # it is still being taken
        for _ in files:
            pass
        site.collection.update_one({"number": 903}, {"$set": {"end": live_run.document["end"]}})
        watched.wait_for_status(903, "done")
        assert site.status(901) != "done"
    watched.wait_for_status(901, "done")
    watched.wait_for_line("000901 done in")
    assert watched.end(watch) == 0
    assert "processing_status" not in site.document(900), "it ended too long ago"
    for number in (901, 902, 903):
        assert transitions(site, number)[:2] == ["pending", "submitted"]
        assert transitions(site, number).count("done") == 1
        first = site.document(number)["processing"]["history"][0]
        assert (first["by"], first["from"]) == ("watch", None)
    assert len(list((site.work / "logs" / "watch").iterdir())) == 3
    for line in watched.said.splitlines():
        assert len(line) < 200
        assert line[:4].isdecimal(), line  # each begins with the time; nothing of Snakemake's


def test_once_takes_waiting_runs_in_turn_and_ends(site, watched):
    site.configure(watch={"oldest_every": 2})
    for number in (901, 902, 903):
        site.add_run(number, on_disk=number != 902, **SHORT)
    watch = watched.start("--max-jobs", "1", "--once")
    assert watch.wait(PATIENCE_S) == 1, watched.said  # one of them fails
    taken = [line.split()[2] for line in watched.said.splitlines() if line.endswith(" taken")]
    assert taken == ["000903", "000901", "000902"]
    assert "000902 failed in transfer" in watched.said
    assert [site.status(number) for number in (901, 903)] == ["done"] * 2
    assert watched.start("--once").wait(PATIENCE_S) == 0  # nothing waits any more


def test_stopped_by_a_signal_and_at_once_by_a_second(site, watched):
    site.add_run(901, **SHORT)
    with site.busy(901):
        watch = watched.start()
        watched.wait_for((site.work / "logs/transfer/000901.log").exists)
        watch.send_signal(signal.SIGTERM)
        watched.wait_for_line("stopping: running jobs will finish")
    # The transfer is finished now, the rest is given back.
    assert watch.wait(PATIENCE_S) == 0, watched.said
    assert site.status(901) == "pending"
    assert (site.work / "results/000901/transfer.json").exists()
    with site.busy(901):
        watch = watched.start()
        watched.wait_for((site.work / "logs/process").is_dir)
        watched.wait_for(lambda: any((site.work / "logs/process").glob("000901*.log")))
        watch.send_signal(signal.SIGINT)
        watched.wait_for(lambda: watched.said.count("stopping: running jobs will finish") == 2)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(PATIENCE_S) == 0, watched.said
        assert site.status(901) == "pending"
    assert not site.document(901).get("processing_failed")
    assert watched.start("--once").wait(PATIENCE_S) == 0
    assert site.status(901) == "done"


def test_a_killed_watch_is_followed_by_another(site, watched):
    site.add_run(901, **SHORT)
    with site.busy(901):
        first = watched.start("--max-jobs", "2")
        watched.wait_for_status(901, "submitted", "running")
        (driver,) = drivers(first)
        assert site.xamsflow("status").stdout.startswith(f"watch on {process.host()}, last query ")
        kill(first.pid)
        first.wait()
        assert site.xamsflow("status").stdout.startswith(f"watch on {process.host()} has died")
        second = watched.start("--max-jobs", "2")
        site.add_run(902, **SHORT)
        watched.wait_for_status(902, "done")
        # The jobs of the killed one go on, and nobody else takes their runs.
        assert [line.split()[2] for line in watched.said.splitlines() if " taken" in line] == [
            "000901",
            "000902",
        ]
        jobs = descendants(driver)[1:]
        for pid in [driver, *jobs]:
            kill(pid)
        watched.wait_for(lambda: watched.said.count("000901 taken") == 2)
    watched.wait_for_status(901, "done")
    assert watched.end(second) == 0
    for number in (901, 902):
        assert transitions(site, number).count("done") == 1
    assert transitions(site, 901).count("submitted") == 2


def test_the_switch_and_the_database_are_turned_off_and_on(tmp_path):
    with restartable(tmp_path / "mongod") as mongod:
        site = Site(tmp_path / "site", mongod.server.uri, "watched")
        watched = Watched(site)
        try:
            switch = {"name": "auto_processing", "status": "off"}
            with pymongo.MongoClient(mongod.server.uri) as client:
                client["daq"]["processing"].insert_one(switch)
            site.add_run(901, **SHORT)
            watch = watched.start()
            watched.wait_for_line("daq.processing is off: no runs are started")
            assert site.status(901) == "pending"
            with pymongo.MongoClient(mongod.server.uri) as client:
                client["daq"]["processing"].update_one({}, {"$set": {"status": "on"}})
            watched.wait_for_line("daq.processing is on again")
            watched.wait_for_line("000901 taken")
            mongod.stop()
            watched.wait_for_line("retrying every 0.3 s")
            mongod.start()
            watched.wait_for_line("recovered")
            watched.wait_for_status(901, "done")
            site.add_run(902, **SHORT)
            watched.wait_for_status(902, "done")
            assert watched.end(watch) == 0, watched.said
            assert transitions(site, 901).count("done") == 1
        finally:
            watched.clean()


def test_pictures_are_drawn_in_parallel_and_hold_up_nothing(site, watched):
    for number in (901, 902):
        site.add_run(number, **SHORT)
    assert site.snakemake().returncode == 0
    pictures = [site.work / layout.overview(layout.run_id(number)) for number in (901, 902)]
    site.configure(watch={"pictures": 5, "quantities": True})
    for end in (signal.SIGKILL, signal.SIGTERM):
        watch = watched.start()
        child = drawing(watched, watch)
        assert os.getpriority(os.PRIO_PROCESS, child) == 19
        assert watched.end(watch, end) == (0 if end == signal.SIGTERM else -end)
        watched.wait_for(lambda pid=child: not is_alive(pid))
    # Nothing waits for a picture, but --once ends only when all are made.
    site.add_run(903, on_disk=False, **SHORT)
    assert watched.start("--once").wait(PATIENCE_S) == 1, watched.said
    assert all(picture.is_file() for picture in pictures)
    assert all((picture.parent / "quantities.json").is_file() for picture in pictures)
    assert site.document(901)["processing"]["health"]["verdict"] == "unknown"
    on_page = page_of_runs.runs(site.work / layout.PAGE)
    assert [on_page[number]["picture"] for number in (901, 902)] == [1, 1]
    assert (site.work / layout.PAGE_WATCH).is_file()
    assert "pictures were" not in watched.said
    assert "no pictures" not in watched.said


def test_a_run_in_progress_gets_its_picture_afterwards(site):
    site.add_run(901, **SHORT)
    assert site.snakemake().returncode == 0
    claims_file = site.work / layout.claim_file("000901")
    with contextlib.chdir(site.work):
        claims.write([Order(Claim(901, "here:1:me:1", 1), ())])
    picture = site.work / layout.overview("000901")
    assert "drawn" not in site.verb("page").stdout
    assert not picture.exists()
    claims_file.unlink()
    assert "pictures drawn: 1, " in site.verb("page").stdout
    assert picture.is_file()


def drawing(watched: Watched, watch: "subprocess.Popen[str]") -> int:
    """Return the process that draws pictures for a watch; there is never more than one."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid in drivers(watch) if b"--pictures" in command_line(pid)]
        return bool(found) and b"nice" not in command_line(found[0]).split(b"\0")

    watched.wait_for(is_there)
    (pid,) = found
    return pid


def is_alive(pid: int) -> bool:
    return bool(command_line(pid))


def test_wrong_settings_end_it_at_once(site):
    site.configure(rundb={"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"})
    said = site.verb("watch", "--once")
    assert (said.returncode, "does not respond" in said.stderr) == (1, True)
    said = site.verb("watch", "--profile", "stoomboot")
    assert said.returncode == 1
    assert "there is no profile 'stoomboot': available: htcondor, local" in said.stderr
