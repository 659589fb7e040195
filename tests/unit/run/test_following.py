"""Data made while a run is being taken are identical, to the byte, to data made afterwards."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xamsflow.base.errors import XamsflowError
from xamsflow.data.processing import follow_run, process_run
from xamsflow.redax import rundoc
from xamsflow.redax.growing import Growing
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, Physics, SimulatedRun, WrittenFile
from xamsflow.state.receipts import Receipt

RUN = 6800
RUN_ID = "006800"


class Site:
    """A DAQ that is taking a run, and folders for the data made from it."""

    def __init__(self, folder: Path, name: str, seed: int, **settings: Any) -> None:
        print(f"seed {seed}")
        self.random = random.Random(seed)
        self.folder = folder
        self.detector = detector.load(name)
        physics = Physics.of(self.detector, RUN, event_rate=40)
        taking: dict[str, Any] = {"duration": 2.5, "chunk_length": 0.5, "chunk_overlap": 0.05}
        taking |= {"physics": physics, "border_pulses": True, **settings}
        run = SimulatedRun(number=RUN, detector=self.detector, seed=seed, **taking)
        self.live_run = LiveRun(run, folder / "live")
        self.files: Iterator[WrittenFile] = iter(self.live_run)
        self.at_start = dict(self.live_run.document)

    def bring(self) -> int | None:
        for _ in range(self.random.randrange(12)):
            if next(self.files, None) is None:
                run = rundoc.parse(self.live_run.document)
                assert run.end is not None
                return run.end - run.start
        return None

    def follow(
        self, data_type: str, threads: int = 1, on_data: Callable[[str, Any], None] | None = None
    ) -> None:
        folder = self.folder / "live" / RUN_ID
        growing = Growing(folder, rundoc.parse(self.at_start).readers, self.bring)
        follow_run(
            document=self.at_start,
            detector=self.detector,
            folder=folder,
            growing=growing,
            processed=self.folder / "followed",
            data_type=data_type,
            threads=threads,
            on_data=on_data,
        )

    def process(self, into: str, data_type: str) -> Receipt:
        for _ in self.files:  # the run goes on to its end, whatever became of following it
            pass
        return process_run(
            document=self.live_run.document,
            detector=self.detector,
            live_data=self.folder / "live",
            processed=self.folder / into,
            data_type=data_type,
        )

    def content(self, into: str) -> dict[str, Any]:
        """Return all stored files by name; metadata without their creation times."""
        content: dict[str, Any] = {}
        for path in sorted((self.folder / into).glob("0*/*")):
            name = str(path.relative_to(self.folder / into))
            content[name] = path.read_bytes()
            if path.suffix == ".json":
                content[name] = _without_times(json.loads(path.read_text()))
        return content


def _without_times(metadata: Any) -> Any:
    if isinstance(metadata, dict):
        return {
            key: _without_times(value)
            for key, value in metadata.items()
            if key not in ("writing_started", "writing_ended", "creation_time")
        }
    return [_without_times(one) for one in metadata] if isinstance(metadata, list) else metadata


@pytest.mark.parametrize(
    ("seed", "made", "threads", "settings"),
    [
        (1, ("xams", "event_info"), 1, {}),
        (2, ("xams", "event_basics"), 2, {"threads": 3, "compressor": "blosc"}),
        (3, ("xamsl", "event_basics"), 1, {"threads": 2}),
        (4, ("xamsl", "raw_records_v1730"), 1, {"physics": None, "rate": 30.0, "duration": 0.3}),
        (5, ("xamsl", "raw_records_v1730"), 2, {"physics": None, "rate": 30.0, "duration": 0.3}),
        (6, ("xams", "event_basics"), 1, {"threads": 2, "idle_threads": 1}),
    ],
)
def test_it_is_the_same_to_the_byte(
    tmp_path: Path, seed: int, made: tuple[str, str], threads: int, settings: dict[str, Any]
) -> None:
    name, data_type = made
    site = Site(tmp_path, name, seed, **settings)
    shown: dict[str, list[Any]] = {}

    def show(data_type: str, chunk: Any) -> None:
        shown.setdefault(data_type, []).append(chunk)
        if seed == 2 and len(shown[data_type]) == 2:
            raise OSError("whoever looks at the data has a problem")

    site.follow(data_type, threads, show)
    if seed == 2:
        assert max(map(len, shown.values())) == 2
    else:
        assert shown[data_type]
    followed = site.content("followed")
    receipt = site.process("processed", data_type)
    assert receipt["quality"]["verdict"] == "clean"
    assert followed == site.content("processed")
    again = site.process("followed", data_type)
    assert again["already_stored"]
    for key in ("n_items", "n_chunks", "bytes", "start", "end", "lineage_hash", "quality"):
        assert again[key] == receipt[key]


def test_a_run_with_a_fault_is_left_to_be_processed_after_its_end(tmp_path: Path) -> None:
    site = Site(tmp_path, "xams", 1)
    bring, emptied = site.bring, False

    def bring_and_damage() -> int | None:
        nonlocal emptied
        duration = bring()
        copy = next(iter((tmp_path / "live" / RUN_ID).glob("000003_pre/*")), None)
        if copy is not None and not emptied:
            emptied = True
            copy.write_bytes(b"")
        return duration

    site.bring = bring_and_damage  # type: ignore[method-assign]
    with pytest.raises(XamsflowError, match="T17"):
        site.follow("event_basics")
    receipt = site.process("followed", "event_basics")
    assert not receipt["already_stored"]
    assert receipt["quality"]["verdict"] == "degraded"
    site.process("processed", "event_basics")
    assert site.content("followed") == site.content("processed")


def test_another_record_length_is_noticed(tmp_path: Path) -> None:
    site = Site(tmp_path, "xamsl", 1, physics=None, rate=30.0)
    other = {**site.at_start["daq_config"], "strax_fragment_payload_bytes": 200}
    site.at_start["daq_config"] = other
    with pytest.raises(XamsflowError, match=r"T4|T5|T22"):
        site.follow("raw_records_v1730")
    assert site.process("followed", "raw_records_v1730")["quality"]["verdict"] == "clean"
