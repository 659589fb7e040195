"""What must hold after any fault: nothing lost, nothing twice, nothing silent, no run stuck."""

import json
import re
from pathlib import Path

from faults.case import MOST_STARTS, Case, run_id
from faults.reference import TARGET, digest
from xamsflow.state import receipts

ENDED = ("done", "failed")


def finish(case: Case) -> str:
    """Let the struck driver end, mend what was broken, start until all is told, check everything.

    Returns what became of the runs, in a few words.
    """
    if case.driver is not None:
        case.end()
    kept = stored_folders(case.work)
    for mend in case.heal:
        mend()
    before = case.starts
    while case.starts - before < MOST_STARTS and (case.starts == before or not all_ended(case)):
        case.end(case.start())
    unended = {n: case.document(n).get("processing_status") for n in case.numbers}
    assert all_ended(case), f"stuck: {unended}"
    check_silence(case)
    for number in case.numbers:
        if number in case.expected:
            check_failed(case, number, case.expected[number])
        else:
            check_done(case, number)
        check_history(case, number)
    assert case.seen <= failures(case), f"{case.seen} were to happen, {failures(case)} did"
    again = stored_folders(case.work)
    for path, when in kept.items():
        assert again.get(path) == when, f"{path} was made twice, or is gone"
    assert not list(case.work.glob("journal/*.json")), "an outcome was not told"
    return f"{summary(case)} after {case.starts - before} more starts"


def all_ended(case: Case) -> bool:
    """Tell whether no run waits for anything that comes by itself."""
    return all(
        document.get("processing_status") in ENDED
        and "retry_at" not in (document.get("processing") or {})
        for document in map(case.document, case.numbers)
    )


def check_done(case: Case, number: int) -> None:
    document, run = case.document(number), run_id(number)
    assert document["processing_status"] == "done", (number, document.get("processing"))
    assert digest(case.work, number) == case.reference.stored[number], f"other data of {run}"
    verdict = document["processing"]["quality"]["verdict"]
    assert verdict == ("degraded" if number in case.degraded else "clean")
    results = case.work / "results" / run
    made = receipts.read(results / f"{TARGET}.json")
    assert made["n_items"] > 0
    published = receipts.read(results / "rundoc.json")
    assert published["processing_status"] == "done"
    transferred = receipts.read(results / "transfer.json")
    for file in transferred["files"]:
        arrived = Path(transferred["destination"]) / file["path"]
        assert arrived.stat().st_size == file["size"], arrived
    entries = [(e["type"], e["host"], e["location"]) for e in document["data"]]
    assert len(entries) == len(set(entries)), entries
    # What is stored is registered, each data type once, and nothing else.
    registered = {e["type"] for e in document["data"] if e["type"] != "live"}
    folders = [path for path in stored_folders(case.work) if path.name.startswith(f"{run}-")]
    assert registered == {folder.name.split("-")[1] for folder in folders}
    assert len([e for e in document["data"] if e["type"] == "live"]) == 2
    assert not list((case.work / "data" / "live_data").glob(f"{run}.incoming"))
    assert not list((case.work / "data" / "processed").glob(f"{run}-*_temp"))


def check_failed(case: Case, number: int, failure: str) -> None:
    document = case.document(number)
    assert document["processing_status"] == "failed", (number, document.get("processing"))
    processing = document["processing"]
    assert processing["failure"] == failure, processing
    assert processing["reason"]
    assert Path(processing["log"]).exists(), processing["log"]


def check_history(case: Case, number: int) -> None:
    document = case.document(number)
    history = document["processing"]["history"]
    ways = [entry["to"] for entry in history]
    assert ways.count("failed") == document.get("processing_failed", 0), history
    if number not in case.expected:
        assert ways.count("done") == 1, history
    for entry in history:
        if entry["to"] == "failed":
            assert entry["failure"], entry
            assert entry["reason"], entry
            assert entry["log"], entry
            assert entry["attempt"], entry


def check_silence(case: Case) -> None:
    """Nobody reads a traceback, and a start that left something undone does not exit 0."""
    assert "Traceback" not in case.said, case.said
    assert case.codes[-1] == 0 or case.expected, case.said


def stored_folders(work: Path) -> dict[Path, int]:
    """Return what is stored completely: strax data and live data, and when it was written."""
    found: dict[Path, int] = {}
    for path in (work / "data" / "processed").glob("[0-9]*-*"):
        # strax leaves what ended with an exception under its final name, and says so inside.
        for about in path.glob("*-metadata.json"):
            try:
                metadata = json.loads(about.read_text())
            except json.JSONDecodeError:
                continue  # the disk was full
            if "writing_ended" in metadata and "exception" not in metadata:
                found[path] = max(p.stat().st_mtime_ns for p in path.iterdir())
    for path in (work / "data" / "live_data").glob("[0-9]*"):
        if re.fullmatch(r"\d{6}", path.name):
            found[path] = max(p.stat().st_ino for p in path.rglob("*"))
    return found


def failures(case: Case) -> set[str]:
    """Return the classes of all failures there were."""
    return {
        entry["failure"]
        for number in case.numbers
        for entry in case.document(number)["processing"]["history"]
        if entry["to"] == "failed"
    }


def summary(case: Case) -> str:
    ends = {case.document(number)["processing_status"] for number in case.numbers}
    on_the_way = f" ({', '.join(sorted(failures(case)))})" if failures(case) else ""
    return " and ".join(sorted(ends)) + on_the_way
