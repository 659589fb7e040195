"""What strikes a run that is followed while it is taken."""

import shutil
import signal
import threading
import time
from pathlib import Path

from pymongo.errors import PyMongoError

from faults.case import Case, run_id
from faults.catalogue import fault
from xamsflow.redax.listing import THE_END

TAKING_S = 4.0


@fault
def follow_job_killed(case: Case) -> None:
    take(case)
    case.kill(followed(case))


@fault
def follow_job_terminated(case: Case) -> None:
    take(case)
    case.kill(followed(case), signal.SIGTERM)


@fault
def everything_killed_while_following(case: Case) -> None:
    take(case)
    followed(case)
    case.kill_all()


@fault
def driver_killed_while_following(case: Case) -> None:
    take(case)
    followed(case)
    case.kill(case.driver.pid)


@fault
def driver_killed_while_following_and_the_next_starts_at_once(case: Case) -> None:
    take(case)
    followed(case)
    case.kill(case.driver.pid)
    case.end(case.start())


@fault
def ssh_away_while_following(case: Case) -> None:
    take(case, ssh=True)
    followed(case)
    case.sshd.stop()
    time.sleep(case.random.uniform(0.0, 2.0))
    case.sshd.start()


@fault
def mongod_away_while_following(case: Case) -> None:
    take(case)
    followed(case)
    case.mongod.stop()
    time.sleep(case.random.uniform(0.0, 2.0))
    case.mongod.start()


@fault
def file_written_again_while_following(case: Case) -> None:
    """redax does that with a record that comes late: the file has other bytes."""
    daq = take(case)
    followed(case)
    file = case.wait(lambda: next(iter(daq.folder.glob("000000/*")), None), "a first chunk")
    time.sleep(case.random.uniform(0.0, 2.0))
    again = file.with_name(f"{file.name}_again")
    shutil.copyfile(file, again)
    again.replace(file)


@fault
def disk_full_while_following(case: Case) -> None:
    take(case, disk_kb=300)
    case.seen.add("resources")


class Daq(threading.Thread):
    """The DAQ writes a run again, in the order of redax, and gives it an end."""

    def __init__(self, case: Case, number: int) -> None:
        super().__init__(daemon=True)
        self.folder = case.site.daq / run_id(number)
        self._whole = case.folder / f"taken-{number}"
        self.folder.rename(self._whole)
        self.folder.mkdir()
        self._ends = case.document(number)["end"]
        self._number, self._collection = number, case.collection
        self._collection.update_one({"number": number}, {"$set": {"end": None}})

    def run(self) -> None:
        files = sorted(filter(Path.is_file, self._whole.rglob("*")), key=_order)
        for file in files:
            time.sleep(TAKING_S / len(files))
            there = self.folder / file.relative_to(self._whole)
            there.parent.mkdir(exist_ok=True)
            writing = there
            if there.parent.name != THE_END and file.stat().st_size:
                writing = self.folder / f"{there.parent.name}_temp" / there.name
                writing.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, writing)
            writing.rename(there)
        while not self._has_ended():
            time.sleep(0.1)

    def _has_ended(self) -> bool:
        try:
            self._collection.update_one({"number": self._number}, {"$set": {"end": self._ends}})
        except PyMongoError:
            return False
        return True


def _order(file: Path) -> tuple[bool, int, str]:
    """Main part, overlap behind it and its copy, chunk by chunk; the end at last."""
    folder = file.parent.name
    if folder == THE_END:
        return True, 0, ""
    number, _, kind = folder.partition("_")
    return False, int(number) - (kind == "pre"), {"": "a", "post": "b", "pre": "c"}[kind]


def take(case: Case, *, ssh: bool = False, disk_kb: int | None = None) -> Daq:
    """Start a driver while the DAQ takes the case's run, which it is to follow."""
    case.prepare(ssh=ssh)
    case.site.settings |= {
        "select": {"follow": True, "longest_run_h": 1e6},
        "follow": {"interval_s": 0.2},
    }
    case.site.configure()
    if disk_kb is not None:
        case.small_disk(case.work / "data", disk_kb)
    daq = Daq(case, case.run)
    case.start()
    case.job("follow")  # it may come late: the run waits for it
    daq.start()
    case.heal.append(daq.join)
    return daq


def followed(case: Case) -> int:
    """Return the job that follows the run, at some moment while it does."""
    job = case.job("follow")
    time.sleep(case.random.uniform(0.0, TAKING_S))
    return job
