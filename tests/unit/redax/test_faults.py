"""Every fault that can be seen: a run is damaged in exactly this way, and the finding compared."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strax

from live_records import (
    CHUNK,
    OVERLAP,
    PERIOD,
    THREAD,
    both_digitizers,
    compress,
    pulse,
    pulses,
    write_part,
    write_run,
)
from xamsflow.base.errors import BadDataError
from xamsflow.data import processing
from xamsflow.redax import files
from xamsflow.redax.files import Records
from xamsflow.redax.findings import RULES
from xamsflow.redax.records import CLOCK_ROLLOVER
from xamsflow.redax.verification import Verification, verify_run
from xamsflow.simulate import SimulatedRun, simulate

RUN = SimulatedRun(
    number=7,
    detector=both_digitizers(),
    duration=2.6,
    chunk_length=0.5,
    chunk_overlap=0.1,
    rate=300.0,
    threads=2,
    border_pulses=True,
)
MAIN_NS = 500_000_000
DTYPE = np.dtype(strax.raw_record_dtype(110))
ANY = object()


class Damaged:
    """A copy of a good run, to be damaged; `names` are its threads."""

    def __init__(self, live_data: Path, document: dict[str, Any]) -> None:
        self.live_data = live_data
        self.folder = live_data / f"{document['number']:06d}"
        self.document = document
        self.names = sorted(file.name for file in (self.folder / "THE_END").iterdir())

    @property
    def name(self) -> str:
        return self.names[0]

    def file(self, part: str, thread: int = 0) -> Path:
        return self.folder / part / self.names[thread]

    def records(self, part: str, thread: int = 0) -> Records:
        return files.decode(self.file(part, thread).read_bytes(), "lz4", DTYPE).copy()

    def all_records(self, part: str) -> Records:
        return np.concatenate([self.records(part, thread) for thread in range(len(self.names))])

    def write(self, part: str, records: Records, thread: int = 0) -> None:
        write_part(self.file(part, thread), records)

    def write_overlap(self, chunk: int, records: Records) -> None:
        self.write(f"{chunk:06d}_post", records)
        self.write(f"{chunk + 1:06d}_pre", records)

    def change(self, part: str, field: str, value: Any, row: int = 3) -> None:
        records = self.records(part)
        records[field][row] = value
        self.write(part, records)

    def cut(self, part: str, size: int) -> None:
        file = self.file(part)
        file.write_bytes(file.read_bytes()[:size])

    def drop(self, part: str) -> None:
        shutil.rmtree(self.folder / part)

    def verify(self) -> Verification:
        return verify_run(self.folder, RUN.detector, self.document)

    def process(self) -> dict[str, Any]:
        return processing.process_run(
            document=self.document,
            detector=RUN.detector,
            live_data=self.live_data,
            processed=self.live_data / "processed",
            data_type="raw_records_v1730",
        )


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    live_data = tmp_path_factory.mktemp("good")
    return live_data, simulate(RUN, live_data)


@pytest.fixture
def run(good_run: tuple[Path, dict[str, Any]], tmp_path: Path) -> Damaged:
    live_data, document = good_run
    shutil.copytree(live_data / "000007", tmp_path / "000007")
    copied = dict(document, daq_config=dict(document["daq_config"]))
    return Damaged(tmp_path, copied)


@dataclass(frozen=True)
class Fault:
    """`damage` returns how many records it takes away for good."""

    name: str
    rule: str
    severity: str
    damage: Callable[[Damaged], Any]
    lost_records: Any = 0
    lost_ns: Any = 0


def copy_of(run: Damaged, source: str, target: str) -> None:
    shutil.copytree(run.folder / source, run.folder / target, dirs_exist_ok=True)


def one_record(run: Damaged, part: str) -> None:
    run.write(part, run.records(part)[:1])


def without_a_pulse_in_the_middle(run: Damaged) -> int:
    """Drop fragment 2 of one pulse, and return how many records that is."""
    records = run.records("000001")
    (row,) = np.nonzero((records["record_i"] == 2) & (records["pulse_length"] == 500))
    run.write("000001", np.delete(records, row[0]))
    return 1


def without_the_end_of_a_pulse(run: Damaged) -> int:
    records = run.records("000001")
    rows = np.flatnonzero((records["record_i"] >= 3) & (records["pulse_length"] == 500))[:2]
    run.write("000001", np.delete(records, rows))
    return 2


def emptied_copies(run: Damaged, empty: str) -> None:
    run.file(empty).write_bytes(b"")


def flipped(run: Damaged, part: str) -> None:
    data = bytearray(run.file(part).read_bytes())
    data[4] = 0
    run.file(part).write_bytes(bytes(data))


def thread_stops_early(run: Damaged) -> None:
    for part in ("000001_post", "000002_pre", "000002", "000002_post", "000003_pre", "000003"):
        run.file(part, 1).unlink()
    for part in ("000003_post", "000004_pre", "000004", "000004_post", "000005_pre"):
        run.file(part, 1).unlink(missing_ok=True)


def swapped(run: Damaged) -> None:
    records = run.records("000001")
    rows = np.flatnonzero(records["channel"] == 0)
    records[rows[:10]] = records[rows[:10][::-1]]
    run.write("000001", records)


def no_end_in_sight(run: Damaged) -> None:
    run.document["end"] += timedelta(seconds=60)


def tagged(run: Damaged) -> None:
    run.document["tags"] = [{"name": "messy", "user": "dispatcher"}]


def set_config(run: Damaged, key: str, value: Any) -> None:
    run.document["daq_config"][key] = value


def other_board(run: Damaged) -> None:
    boards = [dict(board, type="V1725") for board in run.document["daq_config"]["boards"]]
    run.document["daq_config"]["boards"] = boards


FAULTS = [
    Fault("cut", "T1", "reject", lambda r: r.cut("000001", 300), None, None),
    Fault("cut_later", "T2", "reject", lambda r: r.cut("000001", -50), None, None),
    Fault("no_end_mark", "T3", "reject", lambda r: r.cut("000001", -4), None, None),
    Fault(
        "garbage_behind",
        "T3",
        "reject",
        lambda r: r.file("000002").write_bytes(r.file("000002").read_bytes() + b"more"),
        None,
        None,
    ),
    Fault(
        "second_frame",
        "T3",
        "reject",
        lambda r: r.file("000002").write_bytes(2 * r.file("000002").read_bytes()),
        None,
        None,
    ),
    Fault("flipped_header", "T4", "reject", lambda r: flipped(r, "000001"), None, None),
    Fault("sample_over_14_bits", "T4", "reject", lambda r: r.change("000001", "data", 2**14), ANY),
    Fault("time_goes_back", "T4", "degraded", swapped),
    Fault("cut_overlap", "T1", "degraded", lambda r: r.cut("000001_post", 300)),
    Fault("cut_copy", "T1", "degraded", lambda r: r.cut("000002_pre", 300)),
    Fault("flipped_copy", "T4", "degraded", lambda r: flipped(r, "000002_pre")),
    Fault(
        "record_length",
        "T5",
        "reject",
        lambda r: set_config(r, "strax_fragment_payload_bytes", 98 + 2),
        None,
        None,
    ),
    Fault(
        "part_of_a_record",
        "T5",
        "reject",
        lambda r: r.file("000001").write_bytes(compress(r.records("000001").tobytes()[:-2])),
        None,
        None,
    ),
    Fault("length", "T5", "reject", lambda r: r.change("000001", "length", 111), ANY),
    Fault("record_i", "T5", "reject", lambda r: r.change("000001", "record_i", 9), ANY),
    Fault("emptied_main", "T6", "reject", lambda r: r.write("000001", DTYPE_NONE), ANY, MAIN_NS),
    Fault("no_main_folder", "T7", "reject", lambda r: r.drop("000002"), None, None),
    Fault(
        "no_overlap",
        "T7",
        "reject",
        lambda r: (r.drop("000001_post"), r.drop("000002_pre")),
        None,
        None,
    ),
    Fault("no_post_folder", "T7", "degraded", lambda r: r.drop("000001_post")),
    Fault("no_pre_folder", "T7", "degraded", lambda r: r.drop("000002_pre")),
    Fault("no_first_folder", "T8", "reject", lambda r: r.drop("000000"), None, None),
    Fault("no_file", "T9", "reject", lambda r: r.file("000002", 1).unlink(), None, None),
    Fault("no_post_file", "T9", "degraded", lambda r: r.file("000001_post", 1).unlink()),
    Fault("thread_stops_early", "T9", "degraded", thread_stops_early, ANY, ANY),
    Fault(
        "thread_without_files",
        "T13",
        "note",  # it cannot be told from a thread that received nothing but a failed board
        lambda r: [file.unlink() for file in r.folder.glob(f"0*/{r.names[1]}")],
        ANY,
        ANY,
    ),
    Fault(
        "empty_folder",
        "T10",
        "reject",
        lambda r: [file.unlink() for file in (r.folder / "000002").iterdir()],
        None,
        None,
    ),
    Fault("no_the_end", "T11", "reject", lambda r: r.drop("THE_END"), None, None),
    Fault("unfinished_thread", "T11", "reject", lambda r: r.file("THE_END").unlink(), None, None),
    Fault("overwritten", "T14", "degraded", lambda r: one_record(r, "000002"), ANY, MAIN_NS),
    Fault("post_emptied", "T17", "degraded", lambda r: emptied_copies(r, "000001_post")),
    Fault("pre_emptied", "T17", "degraded", lambda r: emptied_copies(r, "000002_pre")),
    Fault("copies_differ", "T17", "reject", lambda r: r.change("000002_pre", "baseline", 1), None),
    Fault("first_pre", "T18", "note", lambda r: (r.folder / "000000_pre").mkdir()),
    Fault(
        "first_pre_with_records",
        "T18",
        "degraded",
        lambda r: copy_of(r, "000001_pre", "000000_pre"),
        ANY,
    ),
    Fault(
        "unknown_channel", "T19", "reject", lambda r: r.change("000001", "channel", 5), ANY, None
    ),
    Fault(
        "third_thread",
        "T20",
        "reject",
        lambda r: [
            shutil.copy(file, file.with_name(r.name + "1")) for file in r.folder.glob(f"*/{r.name}")
        ],
    ),
    Fault(
        "foreign_file",
        "T21",
        "reject",
        lambda r: (r.folder / "000001" / f".{r.name}.Xy12aZ").write_bytes(b"half"),
    ),
    Fault("foreign_folder", "T21", "reject", lambda r: (r.folder / ".~tmp~").mkdir()),
    Fault("stray_file", "T21", "reject", lambda r: (r.folder / "core").write_bytes(b"")),
    Fault(
        "chunk_length",
        "T22",
        "reject",
        lambda r: set_config(r, "strax_chunk_length", 0.4),
        ANY,
        None,
    ),
    Fault("before_start", "T24", "reject", lambda r: r.change("000000", "time", -2), ANY, None),
    Fault("negative_folder", "T24", "reject", lambda r: (r.folder / "0000-1").mkdir()),
    Fault("sample_width", "T27", "reject", lambda r: r.change("000001", "dt", 4), ANY, None),
    Fault("board_type", "T27", "degraded", other_board),
    Fault("guessed_start", "T30", "note", tagged),
    Fault(
        "records_twice",
        "T32",
        "reject",
        lambda r: r.write("000001", np.repeat(r.records("000001"), 2)),
    ),
    Fault(
        "unfinished_file",
        "T33",
        "reject",
        lambda r: write_part(r.file("000002_temp"), r.records("000002")),
        None,
    ),
    Fault("hole_in_a_pulse", "incomplete_pulse", "degraded", without_a_pulse_in_the_middle, 1, ANY),
    Fault("end_of_a_pulse", "incomplete_pulse", "degraded", without_the_end_of_a_pulse, 2, ANY),
    Fault("end_too_late", "duration", "degraded", no_end_in_sight, ANY, ANY),
    Fault(
        "less_than_read",
        "rate",
        "degraded",
        lambda r: r.document.update(rate={"xamsl": {"avg": 100.0, "max": 200.0}}),
        None,
        None,
    ),
]

DTYPE_NONE = np.zeros(0, DTYPE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule}-{fault.name}")
def test_fault(run: Damaged, fault: Fault) -> None:
    before = run.verify()
    assert (before.verdict, before.findings) == ("clean", [])
    taken = fault.damage(run)
    found = run.verify()
    of_rule = [one for one in found.findings if one["rule"] == fault.rule]
    assert of_rule, found.findings
    first = of_rule[0]
    assert first["severity"] == fault.severity
    for field in ("lost_records", "lost_ns"):
        if getattr(fault, field) is not ANY:
            assert first[field] in (getattr(fault, field), None), (field, first)
    if isinstance(taken, int) and not isinstance(taken, bool) and fault.severity == "degraded":
        assert before.n_records - found.n_records == taken
    if fault.severity == "reject":
        assert found.verdict == "reject"
        with pytest.raises(BadDataError, match=r"^run 000007: T\d+: "):
            run.process()
    else:
        receipt = run.process()
        assert receipt["quality"]["findings"] == found.findings
        assert receipt["quality"]["verdict"] == found.verdict
        assert found.verdict == ("clean" if fault.severity == "note" else "degraded")
        assert receipt["quality"]["records_stored"] == found.n_records
        if first["lost_records"] == 0:
            assert found.n_records == before.n_records


def steady_run(tmp_path: Path) -> Damaged:
    """Make a run of four chunks with a short pulse every 0.1 ms, none of them across a border."""
    times = np.arange(1000, 4 * PERIOD, 100_000)
    records = np.repeat(pulse(0, 0, 20), len(times))
    records["time"] = times
    document = write_run(tmp_path, records)
    document["end"] = document["start"] + timedelta(microseconds=4 * PERIOD / 1000)
    return Damaged(tmp_path, document)


@pytest.mark.parametrize("chunk", [0, 1, 2])
@pytest.mark.parametrize("left", [0, 1])
def test_overwritten_overlap(tmp_path: Path, chunk: int, left: int) -> None:
    run = steady_run(tmp_path)
    assert run.verify().findings == []
    before = run.records(f"{chunk:06d}_post")
    run.write_overlap(chunk, before[:left])
    (found,) = run.verify().findings
    assert (found["rule"], found["severity"], found["chunk"]) == ("T14", "degraded", chunk)
    assert found["lost_ns"] == OVERLAP
    assert abs(found["lost_records"] - (len(before) - left)) <= 1


def test_overwritten_first_main_part(tmp_path: Path) -> None:
    run = steady_run(tmp_path)
    before = run.records("000000")
    run.write("000000", before[:1])
    (found,) = run.verify().findings
    assert (found["rule"], found["severity"], found["chunk"]) == ("T14", "degraded", 0)
    assert abs(found["lost_records"] - (len(before) - 1)) <= 1


def test_missing_last_chunk_and_previous_copy(tmp_path: Path) -> None:
    """It is far shorter than the silence before the end that is usual."""
    run = steady_run(tmp_path)
    n_lost = len(run.records("000003")) + len(run.records("000003_post"))
    for part in ("000003_pre", "000003", "000003_post", "000004_pre"):
        run.drop(part)
    (found,) = run.verify().findings
    assert (found["rule"], found["severity"]) == ("duration", "degraded")
    assert abs(found["lost_records"] - n_lost) <= 2


def of_v1724(time: int) -> Records:
    return pulse(time, 2, 20)


def long_run(tmp_path: Path, shift: Callable[[int], int]) -> Damaged:
    """Make a run of 60 s in which a V1724's times are shifted; the V1730 goes on all the time."""
    every = 400_000_000
    times = range(1_000_000, 60 * 10**9, every)
    slow = [of_v1724(shift(time)) for time in times]
    fast = [pulse(time, 0, 20) for time in times]
    document = write_run(tmp_path, np.concatenate([*slow, *fast]))
    document["end"] = document["start"] + timedelta(seconds=60)
    return Damaged(tmp_path, document)


def test_rollover_counted_right(tmp_path: Path) -> None:
    assert long_run(tmp_path, lambda time: time).verify().findings == []


def test_rollover_counted_twice(tmp_path: Path) -> None:
    run = long_run(tmp_path, lambda t: t if t < CLOCK_ROLLOVER else t + CLOCK_ROLLOVER)
    found = run.verify()
    assert [(one["rule"], one["severity"]) for one in found.findings] == [("T23", "degraded")] * 2
    silent, late = sorted(found.findings, key=lambda one: "silent" not in one["message"])
    assert "channel 2 is silent" in silent["message"]
    assert silent["lost_ns"] > CLOCK_ROLLOVER
    assert "channels 2 have data until 21" in late["message"]


def test_rollover_lost(tmp_path: Path) -> None:
    # What comes behind the rollover lands in the files of the first 21 s, behind what is there.
    run = long_run(tmp_path, lambda t: t if t < CLOCK_ROLLOVER else t - CLOCK_ROLLOVER + 100_000)
    rejected = [one for one in run.verify().findings if one["severity"] == "reject"]
    assert [one["rule"] for one in rejected] == []  # the helper sorts its records; redax does not
    part = run.folder / "000003" / THREAD
    records = files.decode(part.read_bytes(), "lz4", DTYPE)
    late = (records["channel"] == 2) & (records["time"] % 400_000_000 >= 1_100_000 - 2)
    write_part(part, np.concatenate([records[~late], records[late]]))
    found = run.verify()
    assert found.verdict == "reject"
    assert found.findings[0]["rule"] == "T23"
    assert "times of channel 2 go back" in found.findings[0]["message"]


def test_rollover_of_single_records_in_a_file(tmp_path: Path) -> None:
    run = long_run(tmp_path, lambda time: time)
    part = run.folder / "000030" / THREAD
    records = files.decode(part.read_bytes(), "lz4", DTYPE).copy()
    records["time"][records["channel"] == 2] -= CLOCK_ROLLOVER
    write_part(part, records)
    found = run.verify()
    assert found.findings[0]["rule"] == "T23"
    assert "the rollover of channel 2" in found.findings[0]["message"]


def test_overlap_dropped_without_main_part(tmp_path: Path) -> None:
    """T13: a pulse begins in an overlap of which the thread has no main part."""
    long = 20_000
    begin = PERIOD + CHUNK + OVERLAP - 2 * 110 * 4
    records = np.concatenate([pulses(1000), pulse(begin, 0, long), pulses(2 * PERIOD + 500_000)])
    document = write_run(tmp_path, records)
    run = Damaged(tmp_path, document)
    for part in ("000001_post", "000002_pre"):
        run.file(part).write_bytes(b"")
    found = run.verify()
    first = found.findings[0]
    assert (first["rule"], first["severity"]) == ("T13", "degraded")
    assert first["lost_records"] == len(records) - found.n_records == 4
    assert first["lost_ns"] == 4 * 220
    assert run.process()["quality"]["verdict"] == "degraded"


def test_data_only_in_the_first_overlap(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000), threads=(THREAD, "daq_reader_0_2"))
    run = Damaged(tmp_path, document)
    for name in (THREAD, "daq_reader_0_2"):
        (run.folder / "THE_END" / name).write_bytes(b"...my only friend\n")
    (found,) = run.verify().findings
    assert (found["rule"], found["severity"]) == ("T13", "degraded")
    assert (found["lost_records"], run.process()["quality"]["verdict"]) == (2, "degraded")


def test_thread_without_a_main_part(tmp_path: Path) -> None:
    """T6: a part is empty where the thread was busy before and behind it."""
    times = range(1000, 5 * PERIOD, 1_000_000)
    kept = [t for t in times if not PERIOD * 2 <= t < PERIOD * 3]
    document = write_run(tmp_path, np.concatenate([pulse(t, 0, 20) for t in kept]))
    document["end"] = document["start"] + timedelta(seconds=5)
    run = Damaged(tmp_path, document)
    rules = {(one["rule"], one["severity"]): one for one in run.verify().findings}
    assert rules.keys() == {("T6", "degraded"), ("T13", "note")}
    lost = rules["T6", "degraded"]
    assert lost["lost_ns"] == CHUNK
    assert abs(lost["lost_records"] - 1000) < 200
    assert lost["chunk"] == 2


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"start": "yesterday"}, "T31"),
        ({"start": {"$date": 5}}, "T31"),
        ({"number": -1}, "T31"),
        ({"end": None}, "T29"),
        ({"daq_config": {}}, "T31"),
    ],
)
def test_run_document(run: Damaged, change: Mapping[str, Any], rule: str) -> None:
    run.document |= change
    found = run.verify()
    assert (found.findings[0]["rule"], found.verdict) == (rule, "reject")


def test_all_faults_are_found_at_once(run: Damaged) -> None:
    run.cut("000001", 300)
    run.drop("000003_post")
    run.change("000002", "channel", 99)
    run.document["rate"] = {"xamsl": {"avg": 100.0}}
    rules = [one["rule"] for one in run.verify().findings]
    assert {"T1", "T7", "T19", "rate"} <= set(rules)


def test_each_rule_is_tested_here_or_exempted_with_a_reason() -> None:
    elsewhere = {"T12", "T15", "T16", "T28", "T34"}  # avoided: tests of the plugin
    invisible = {"T25", "T26"}
    here = {fault.rule for fault in FAULTS} | {"T13", "T23", "T29", "T31"}
    beside = {
        "overlapping_pulses",
        "no_data",
        "balance",
        "no_run_document",
        "changed_since_transfer",
        "baseline",  # tests of processing
        "pre_trigger",  # tests of registers
    }
    assert here | elsewhere | invisible | beside == set(RULES)
