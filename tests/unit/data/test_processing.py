import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strax

from live_records import (
    DURATION,
    PERIOD,
    RUN,
    START_NS,
    THREAD,
    both_digitizers,
    pulses,
    random_pulses,
    write_run,
)
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.data import processing
from xamsflow.data.context import context
from xamsflow.redax import rundoc
from xamsflow.state import layout
from xamsflow.state.receipts import Receipt

pytestmark = pytest.mark.xdist_group("processing")  # its tests share costly fixtures

RUN_ID = f"{RUN:06d}"
REAL = layout.REPOSITORY.parent / "shared" / "data"
RECORDS = random_pulses(3 * PERIOD, n=300)
DATA_TYPES = {"raw_records_v1730", "raw_records_v1724", "raw_records_aqmon"}


class Site:
    """A run's live data and the folder of strax data."""

    def __init__(self, folder: Path) -> None:
        self.live_data = folder / "live_data"
        self.processed = folder / "processed"
        self.document = write_run(self.live_data, RECORDS)

    def process(
        self, data_type: str = "raw_records_v1730", threads: int = 1, **others: Any
    ) -> Receipt:
        return processing.process_run(
            document=self.document,
            detector=both_digitizers(),
            live_data=self.live_data,
            processed=self.processed,
            data_type=data_type,
            threads=threads,
            **others,
        )

    def start(self, limit: str = "") -> subprocess.Popen[str]:
        """Start a process that processes the run and prints how it failed, if it did."""
        document = json.dumps(rundoc.to_json(self.document))
        code = f"""
import json, resource, sys
from pathlib import Path
from xamsflow.settings import detector
from xamsflow.data import processing
from xamsflow.redax import rundoc
from xamsflow.base.errors import XamsflowError
{limit}
try:
    processing.process_run(
        document=rundoc.from_json(json.loads({document!r})),
        detector=detector.load("xamsl"),
        live_data=Path({str(self.live_data)!r}),
        processed=Path({str(self.processed)!r}),
        data_type="raw_records_v1730",
    )
except XamsflowError as error:
    sys.exit(f"FAILED {{error.failure}}: {{error}}")
"""
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def live_file(self, folder: str) -> Path:
        return self.live_data / RUN_ID / folder / THREAD


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Receipt]]:
    site = Site(tmp_path_factory.mktemp("stored"))
    yield site, site.process()


def in_channels(first: int, last: int) -> int:
    return int(((RECORDS["channel"] >= first) & (RECORDS["channel"] <= last)).sum())


def test_receipt(stored: tuple[Site, Receipt]) -> None:
    site, receipt = stored
    assert json.loads(json.dumps(receipt)) == receipt
    assert receipt["run_id"] == RUN_ID
    assert receipt["data_type"] == "raw_records_v1730"
    assert receipt["already_stored"] is False
    path = Path(receipt["path"])
    assert path.is_absolute()
    assert path.name == f"{RUN_ID}-raw_records_v1730-{receipt['lineage_hash']}"
    assert path.parent == site.processed
    files = [file for file in path.iterdir() if not file.name.endswith(".json")]
    assert receipt["bytes"] == sum(file.stat().st_size for file in files)
    assert receipt["n_items"] == in_channels(0, 1)
    assert receipt["n_chunks"] == 3
    assert receipt["start"] == START_NS
    assert receipt["end"] > receipt["start"]
    assert set(receipt["versions"]) == {"python", "strax", "straxen", "numpy", "numba", "xamsflow"}
    assert receipt["peak_memory_mb"] > 0
    assert receipt["wall_time_s"] >= 0
    assert receipt["host"]
    assert receipt["time"].endswith("+00:00")


def test_receipt_lists_all_stored_data_types(stored: tuple[Site, Receipt]) -> None:
    _, receipt = stored
    assert set(receipt["stored"]) == DATA_TYPES
    facts = receipt["stored"]["raw_records_v1730"]
    assert facts == {key: receipt[key] for key in facts if key != "lineage"} | {
        "lineage": facts["lineage"]
    }
    assert receipt["stored"]["raw_records_v1724"]["n_items"] == in_channels(2, 3)
    path = Path(facts["path"])
    metadata = json.loads(next(path.glob("*-metadata.json")).read_text())
    assert facts["lineage"] == metadata["lineage"]
    assert facts["lineage_hash"] == strax.deterministic_hash(facts["lineage"])


def test_progress_is_reported_by_daq_chunk(tmp_path: Path) -> None:
    site = Site(tmp_path)
    told: list[tuple[str, int]] = []
    site.process(on_chunk=lambda *chunk: told.append(chunk))
    # The three outputs of one plugin are stored together, the first of them in name is made.
    name = told[0][0]
    assert told == [(name, 0), (name, 1), (name, 2), (name, 3)]
    again: list[tuple[str, int]] = []
    site.process(on_chunk=lambda *chunk: again.append(chunk))
    assert again == []


def test_quality(stored: tuple[Site, Receipt]) -> None:
    _, receipt = stored
    quality = receipt["quality"]
    assert quality["live_time_ns"] == DURATION.total_seconds() * 1e9
    assert quality["dead_time_ns"] == 0
    assert quality["records_on_disk"] == quality["records_stored"] == len(RECORDS)
    assert quality["records_lost"] == 0
    assert quality["gaps"] == []
    assert len(quality["checks"]) > 5
    assert quality["verdict"] == "clean"
    assert quality["findings"] == []


def test_already_stored_needs_no_live_data(stored: tuple[Site, Receipt], tmp_path: Path) -> None:
    site, receipt = stored
    changed = ("already_stored", "made", "time", "wall_time_s", "peak_memory_mb")
    site.live_data, live_data = tmp_path / "gone", site.live_data
    try:
        for data_type in ("raw_records_v1730", "raw_records_aqmon"):
            again = site.process(data_type)
            assert again["already_stored"] is True
            assert again["made"] == []
            assert again["stored"] == receipt["stored"]
            assert again["quality"] == receipt["quality"]
    finally:
        site.live_data = live_data
    assert {k: v for k, v in site.process().items() if k not in changed} == {
        k: v for k, v in receipt.items() if k not in changed
    }


def test_threads_store_the_same(stored: tuple[Site, Receipt], tmp_path: Path) -> None:
    _, receipt = stored
    other = Site(tmp_path)
    receipt_with_threads = other.process(threads=2)
    for data_type, facts in receipt["stored"].items():
        with_threads = receipt_with_threads["stored"][data_type]
        assert with_threads | {"path": ""} == facts | {"path": ""}
        for file in Path(facts["path"]).glob("*-0000??"):
            assert (Path(with_threads["path"]) / file.name).read_bytes() == file.read_bytes()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real run is not here")
def test_the_real_run(tmp_path: Path) -> None:
    receipt = processing.process_run(
        document=rundoc.from_json(json.loads((REAL / "rundoc_002240.json").read_text())),
        detector=both_digitizers(),
        live_data=REAL / "live_data",
        processed=tmp_path,
        data_type="raw_records_v1730",
    )
    assert receipt["n_items"] == 47_929
    assert receipt["quality"]["live_time_ns"] == 10_999_999_000
    # Two chunks of the run's 219 are there.
    assert receipt["quality"]["gaps"] == [[receipt["end"], 1_636_720_776_227_000_000]]


def test_run_without_data(site: Site) -> None:
    shutil.rmtree(site.live_data)
    site.document = write_run(site.live_data, pulses(1)[:0])
    receipt = site.process()
    assert receipt["n_items"] == 0
    assert receipt["n_chunks"] == 1
    assert receipt["quality"]["gaps"] == []


def test_unknown_data_type(site: Site) -> None:
    known = sorted(context(both_digitizers(), site.processed).tree)
    assert set(known) > DATA_TYPES
    expected = f"'peaks_of_joy' is unknown: the detector has {', '.join(known)}"
    with pytest.raises(ConfigurationError, match=expected):
        site.process("peaks_of_joy")


def test_run_without_end(site: Site) -> None:
    site.document["end"] = None
    with pytest.raises(StillTakenError, match=f"run {RUN_ID} is still being taken"):
        site.process()


def test_run_that_ends_before_it_starts(site: Site) -> None:
    site.document["end"] = site.document["start"] - DURATION
    with pytest.raises(BadDataError, match="end of the run document"):
        site.process()


def test_no_live_data(site: Site) -> None:
    shutil.rmtree(site.live_data)
    with pytest.raises(TransientError, match=f"no live data at .*{RUN_ID}"):
        site.process()


def test_bad_data_then_repaired(site: Site) -> None:
    file = site.live_file("000002")
    good = file.read_bytes()
    file.write_bytes(good[:-9])
    for _ in range(2):
        with pytest.raises(BadDataError, match=f"{file} is not a complete lz4 frame") as caught:
            site.process()
        assert "\n" not in str(caught.value)
    file.write_bytes(good)
    receipt = site.process()
    assert receipt["already_stored"] is False
    assert receipt["quality"]["records_stored"] == len(RECORDS)


def test_missing_folder_leaves_no_data_behind(site: Site) -> None:
    shutil.rmtree(site.live_file("000001").parent)
    with pytest.raises(BadDataError, match="000001 is missing"):
        site.process()
    assert [f.name for f in site.processed.iterdir() if not f.name.endswith("_temp")] == []


def test_unfinished_output_of_an_earlier_attempt(site: Site) -> None:
    first = site.process()
    kept = Path(first["path"]).stat()
    lost = Path(first["stored"]["raw_records_v1724"]["path"])
    shutil.rmtree(lost)
    second = site.process()
    assert second["already_stored"] is False
    assert second["stored"] == first["stored"]
    assert lost.is_dir()
    assert Path(first["path"]).stat() == kept


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_damaged_stored_data_are_reported_and_kept(site: Site, damage: str) -> None:
    path = Path(site.process()["path"])
    file = sorted(path.glob("*-000001"))[0]
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    before = sorted(path.iterdir())
    with pytest.raises(BadDataError, match=f"{file} .*moves its folder aside"):
        site.process()
    assert sorted(path.iterdir()) == before


def test_stored_data_without_metadata(site: Site) -> None:
    path = Path(site.process()["path"])
    next(path.glob("*-metadata.json")).unlink()
    with pytest.raises(XamsflowError, match=str(path)):
        site.process()
    assert any(path.iterdir())


def test_processed_is_not_a_folder(site: Site) -> None:
    site.processed.write_text("a file")
    with pytest.raises(ConfigurationError, match=f"cannot read or write .*{site.processed.name}"):
        site.process()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_right_to_write(site: Site) -> None:
    site.processed.mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match="is not writable"):
        site.process()


def test_no_space_left(site: Site) -> None:
    # A limit on the size of files is what of a full disk can be had without one.
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))"
    process = site.start(limit)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("FAILED resources: no space left for")
    assert site.process()["already_stored"] is False


def test_killed_while_reading(site: Site) -> None:
    file = site.live_file("000002")
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)  # whoever reads it waits: the first two chunks are stored by then
    process = site.start()
    try:
        unfinished = f"{RUN_ID}-raw_records_v1730-*_temp/*-000001"
        deadline = time.monotonic() + 60
        while not list(site.processed.glob(unfinished)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    file.unlink()
    file.write_bytes(content)
    receipt = site.process()
    assert receipt["already_stored"] is False
    assert receipt["quality"]["records_stored"] == len(RECORDS)
    assert {path.name.split("-")[1] for path in site.processed.iterdir()} == DATA_TYPES
    assert not list(site.processed.glob("*_temp"))


def test_higher_data_types_need_no_change_here(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Starts(strax.Plugin):  # type: ignore[misc]
        provides = "starts"
        depends_on = "raw_records_v1730"
        data_kind = "starts"
        dtype = strax.time_fields

        def compute(self, raw_records_v1730: Any) -> dict[str, Any]:
            return {
                "time": raw_records_v1730["time"],
                "endtime": strax.endtime(raw_records_v1730),
            }

    class Failing(Starts):
        provides = "failing"

        def compute(self, raw_records_v1730: Any) -> dict[str, Any]:  # noqa: ARG002
            raise ZeroDivisionError("first line\nsecond line")

    def with_more(*arguments: Any) -> strax.Context:
        made = context(*arguments)
        made.register([Starts, Failing])
        return made

    monkeypatch.setattr("xamsflow.data.processing.context", with_more)
    with pytest.raises(XamsflowError) as caught:
        site.process("failing")
    assert str(caught.value) == (
        f"run {RUN_ID}: strax could not compute failing in chunk 0 of plugin Failing "
        "(ZeroDivisionError: first line): see the log for details"
    )
    receipt = site.process("starts")
    assert set(receipt["stored"]) == DATA_TYPES | {"starts"}
    assert receipt["n_items"] == in_channels(0, 1)
    assert receipt["quality"]["records_on_disk"] == len(RECORDS)
    assert receipt["stored"]["starts"]["lineage"].keys() == {"starts", "raw_records_aqmon"}

    sorted(Path(receipt["stored"]["raw_records_v1730"]["path"]).glob("*-000001"))[0].unlink()
    with pytest.raises(BadDataError, match=r"raw_records_v1730-.*-000001 is missing"):
        site.process("failing")
