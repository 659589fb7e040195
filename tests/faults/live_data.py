"""Live data that are missing, late, or not what redax wrote."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from faults.case import Case, run_id
from faults.catalogue import fault


def run_folder(case: Case) -> Path:
    return case.site.daq / run_id(case.run)


def chunk_file(case: Case) -> Path:
    files = [p for p in run_folder(case).glob("0*/*") if p.is_file() and p.stat().st_size]
    return case.random.choice(sorted(files))


def expect_damage(case: Case, file: Path) -> None:
    """Expect bad data; beside a chunk, where all is there twice, only no clean verdict."""
    if file.parent.name.isdigit():
        case.expected[case.run] = "bad_data"
    else:
        case.degraded.add(case.run)


@fault
def run_folder_missing(case: Case) -> None:
    case.prepare()
    run_folder(case).rename(case.folder / "elsewhere")
    case.start()
    case.expected[case.run] = "bad_data"


@fault
def disk_of_the_daq_not_mounted(case: Case) -> None:
    case.prepare()
    case.site.daq.rename(case.folder / "unmounted")
    case.start()
    case.heal.append(lambda: (case.folder / "unmounted").rename(case.site.daq))


@fault
def disk_of_the_daq_gone_while_copying(case: Case) -> None:
    case.prepare()
    case.start()
    case.process_called("rsync")
    case.site.daq.rename(case.folder / "unmounted")
    case.heal.append(lambda: (case.folder / "unmounted").rename(case.site.daq))


@fault
def run_still_being_written(case: Case) -> None:
    """It has ended a moment ago; the reader's last files come later."""
    case.prepare()
    the_end = run_folder(case) / "THE_END"
    the_end.rename(case.folder / "later")
    case.collection.update_one({"number": case.run}, {"$set": {"end": datetime.now(UTC)}})
    case.start()
    case.end()
    assert case.document(case.run)["processing_status"] == "pending"
    (case.folder / "later").rename(the_end)
    document = next(d for d in case.reference.documents if d["number"] == case.run)
    case.collection.update_one({"number": case.run}, {"$set": {"end": document["end"]}})


@fault
def run_changes_while_it_is_copied(case: Case) -> None:
    case.prepare()
    file = chunk_file(case)
    late = case.folder / "late"
    file.rename(late)
    case.start()
    case.process_called("rsync")
    late.rename(file)
    case.heal.append(lambda: ask_again_if_refused(case))


def ask_again_if_refused(case: Case) -> None:
    """Where the copy was over before the file came, a person moves it away and asks again."""
    here = case.work / "data" / "live_data" / run_id(case.run)
    if case.document(case.run)["processing"].get("failure") == "bad_data":
        if here.exists():
            here.rename(case.folder / "moved-away")
            for receipt in (case.work / "results" / run_id(case.run)).glob("*.json"):
                receipt.unlink()
        case.pend(case.run)


@fault
def chunk_truncated(case: Case) -> None:
    case.prepare()
    file = chunk_file(case)
    content = file.read_bytes()
    file.write_bytes(content[: case.random.randrange(1, len(content))])
    case.start()
    expect_damage(case, file)


@fault
def chunk_corrupt(case: Case) -> None:
    case.prepare()
    file = chunk_file(case)
    content = bytearray(file.read_bytes())
    # In the frame's own header: whatever is in the data behind has no checksum in redax's format.
    content[case.random.randrange(4)] ^= 0xFF
    file.write_bytes(content)
    case.start()
    expect_damage(case, file)


@fault
def chunk_missing(case: Case) -> None:
    case.prepare()
    shutil.move(run_folder(case) / "000000", case.folder / "missing")
    case.start()
    case.expected[case.run] = "bad_data"


@fault
def files_seen_late_by_the_node(case: Case) -> None:
    """As on NFS: what the transfer wrote is not there yet for the process job."""
    case.prepare()
    assert case.site.snakemake(f"results/{run_id(case.run)}/transfer.json").returncode == 0
    here = case.work / "data" / "live_data" / run_id(case.run)
    late = case.folder / "late"
    file = case.random.choice(sorted(p for p in here.rglob("*") if p.is_file()))
    file.rename(late)
    case.start()
    case.job("process")
    time.sleep(case.random.uniform(0.0, 1.5))
    late.rename(file)


@fault
def stored_files_changed_before_publishing(case: Case) -> None:
    """What is not on disk as its receipt says is not registered."""
    case.prepare()
    name = f"results/{run_id(case.run)}/raw_records_v1730.json"
    assert case.site.snakemake(name).returncode == 0
    folder = case.random.choice(
        sorted((case.work / "data" / "processed").glob(f"{run_id(case.run)}-raw_records_v17*"))
    )
    file = next(p for p in sorted(folder.iterdir()) if p.suffix != ".json")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    case.start()
    case.end()
    processing = case.document(case.run)["processing"]
    assert processing["failure"] == "bad_data", processing
    assert folder.name in processing["reason"]
    file.write_bytes(content)
    case.pend(case.run)
