"""Data types beyond raw records, made by process_run: partial success, changes, bad input."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strax

from hand_made import BASELINE, GAINS, Array, pulse, square, xams
from live_records import RUN, START_NS, write_run
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.data import processing
from xamsflow.data.context import context, other
from xamsflow.redax import findings, rundoc
from xamsflow.settings import detector
from xamsflow.settings.corrections import ByRun, Entry, Provenance
from xamsflow.settings.detector import Detector
from xamsflow.state.receipts import Receipt

pytestmark = pytest.mark.xdist_group("processing_higher")  # its tests share costly fixtures

RUN_ID = f"{RUN:06d}"
MS = 1_000_000
RAW = ("raw_records_aqmon", "raw_records_v1730")
PEAKS = ("peaks", "peak_basics", "peak_positions")
BELOW_EVENTS = ("pulse_counts", "records", *PEAKS)
EVENTS = ("events", "event_basics", "event_positions", "corrected_areas", "event_info")


def interaction(time: int) -> list[Array]:
    """Return an S1 and, 20 µs later, an S2."""
    width = 300
    shape = np.exp(-0.5 * ((np.arange(6 * width) - 3 * width) / width) ** 2)
    return [
        signal
        for channel in range(5)
        for signal in (
            pulse(time, channel, square(300, 10)),
            pulse(time + 20_000, channel, 200 * shape),
        )
    ]


def three_chunks() -> Array:
    return np.concatenate([part for i in range(12) for part in interaction(5 * MS + i * 240 * MS)])


class Site:
    """A run, processed with the detector `one`."""

    def __init__(self, folder: Path, records: Array | None = None) -> None:
        self.live_data = folder / "live_data"
        self.processed = folder / "processed"
        self.document = write_run(self.live_data, three_chunks() if records is None else records)
        self.one: Detector = xams()

    def process(self, data_type: str = "event_info", **changes: Any) -> Receipt:
        return processing.process_run(
            document=self.document,
            detector=self.one,
            live_data=self.live_data,
            processed=self.processed,
            data_type=data_type,
            **changes,
        )

    def load(self, data_type: str) -> Array:
        reader = context(self.one, self.processed, readonly=True)
        assert reader.is_stored(RUN_ID, data_type)
        data: Array = reader.get_array(RUN_ID, data_type, progress_bar=False)
        return data

    def written(self) -> dict[str, int]:
        """Return when the metadata of each stored folder were written."""
        return {
            file.parent.name: file.stat().st_mtime_ns
            for file in self.processed.glob("*/*-metadata.json")
        }


def data_types(folders: Iterable[str]) -> list[str]:
    return sorted(folder.split("-")[1] for folder in folders)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Receipt, list[Receipt]]:
    site = Site(tmp_path_factory.mktemp("higher"))
    told: list[Receipt] = []
    receipt = site.process(on_stored=told.append)
    return site, receipt, told


def test_all_dependencies_are_stored(stored: tuple[Site, Receipt, list[Receipt]]) -> None:
    site, receipt, told = stored
    assert set(receipt["stored"]) == {*RAW, *BELOW_EVENTS, *EVENTS}
    assert receipt["data_type"] == "event_info"
    assert receipt["n_items"] == 12
    assert receipt["quality"]["records_lost"] == 0
    assert [one["data_type"] for one in told][-1] == "event_info"
    for one in told:
        assert one["stored"][one["data_type"]] == receipt["stored"][one["data_type"]]
    events = site.load("event_info")
    assert events["time"] - START_NS == pytest.approx(
        5 * MS + 240 * MS * np.arange(12) + 20_000 - 50_000, abs=1000
    )
    assert events["event_number"].tolist() == list(range(12))
    assert events["drift_time"] == pytest.approx([20_000 + 1800 - 10] * 12, abs=10)
    assert events["s1_area"] == pytest.approx([10 * 300 * 0.09] * 12, rel=1e-3)
    assert events["s2_area"] == pytest.approx([200 * 0.09 * 300 * 2.5066] * 12, rel=0.03)


def test_a_second_call_makes_nothing(stored: tuple[Site, Receipt, list[Receipt]]) -> None:
    site, receipt, _ = stored
    before = site.written()
    again = site.process()
    assert again["already_stored"] is True
    assert again["stored"] == receipt["stored"]
    assert site.written() == before


def test_a_changed_setting_remakes_only_its_dependents(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.process()
    before = site.written()
    assert site.one.tpc is not None
    site.one = replace(site.one, tpc=replace(site.one.tpc, trigger_min_area=200))
    assert site.process()["already_stored"] is False
    after = site.written()
    assert {name: after[name] for name in before} == before
    assert data_types(after.keys() - before.keys()) == sorted(EVENTS)

    site.one = replace(site.one, tpc=replace(xams().tpc, electron_lifetime=50_000.0))
    before = after
    site.process()
    assert data_types(site.written().keys() - before.keys()) == ["corrected_areas", "event_info"]


FOREIGN = '''
import strax
from xamsflow.data.context import context
from xamsflow.data.plugins.events import _Events


class Starts(strax.Plugin):
    """When pulses start."""

    provides = "starts"
    depends_on = "raw_records_v1730"
    data_kind = "starts"
    dtype = strax.time_fields

    def compute(self, raw_records_v1730):
        starts = raw_records_v1730[raw_records_v1730["record_i"] == 0]
        return {"time": starts["time"], "endtime": strax.endtime(starts)}


def mine(detector, processed, config):
    made = context(detector, processed, config)
    made.register(Starts)
    return made


def only_mine(detector, processed, config):
    made = strax.Context(storage=strax.DataDirectory(str(processed)), config=config)
    made.register([made_plugin for made_plugin in context(detector, processed, config)
                   ._plugin_class_registry.values() if "raw" in str(made_plugin.provides)])
    made.register(Starts)
    return made


class Events(_Events):
    def compute(self, peaks, start, end):
        if peaks["time"].max(initial=0) > FAILS_AFTER:
            raise ZeroDivisionError("what a bug says")
        return super().compute(peaks=peaks, start=start, end=end)


def failing(detector, processed, config):
    made = context(detector, processed, config)
    Events.takes_config = made._plugin_class_registry["events"].takes_config
    made.register(Events)
    return made


def nothing(detector, processed, config):
    return "a context"
'''.replace("FAILS_AFTER", str(START_NS + 1500 * MS))


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module in the working directory, a new one for each test."""
    name = f"foreign_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FOREIGN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("function", ["mine", "only_mine"])
def test_another_context(tmp_path: Path, foreign: str, function: str) -> None:
    site = Site(tmp_path)
    receipt = site.process("starts", other_context=f"{foreign}.{function}")
    assert set(receipt["stored"]) == {*RAW, "starts"}
    assert receipt["n_items"] == 12 * 10
    assert Path(receipt["path"]).parent == site.processed
    assert site.process("starts", other_context=f"{foreign}.{function}")["already_stored"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("{}.missing", "has no missing"),
        ("{}.nothing", "returned str, expected a strax.Context"),
        ("no_such_package.module.function", "no_such_package.module cannot be imported"),
    ],
)
def test_a_missing_context_is_named(
    tmp_path: Path, foreign: str, function: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        other(function.format(foreign))(xams(), tmp_path, {})


def test_data_below_a_failure_are_kept(tmp_path: Path, foreign: str) -> None:
    site = Site(tmp_path)
    told: list[Receipt] = []
    with pytest.raises(XamsflowError) as caught:
        site.process(other_context=f"{foreign}.failing", on_stored=told.append)
    # Peaks are small: strax joins their chunks on disk.
    assert str(caught.value) == (
        f"run {RUN_ID}: strax could not compute events in chunk 0 of plugin Events "
        "(ZeroDivisionError: what a bug says): see the log for details"
    )
    assert {one["data_type"] for one in told} == {*RAW, *BELOW_EVENTS}
    # strax keeps what failed too, with all above it, says so in its metadata, and makes it anew.
    whole = {*RAW, *BELOW_EVENTS}
    before = {name: time for name, time in site.written().items() if data_types([name])[0] in whole}
    assert data_types(before) == sorted(whole)
    peaks = site.load("peaks")
    assert len(peaks) == 24

    receipt = site.process()
    assert receipt["n_items"] == 12
    after = site.written()
    assert {name: after[name] for name in before} == before
    assert data_types(after.keys() - before.keys()) == sorted(EVENTS)


def test_a_run_that_a_correction_file_does_not_cover(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.one = with_gains(site, Entry(RUN + 1, RUN + 2, GAINS))
    told: list[Receipt] = []
    with pytest.raises(
        ConfigurationError, match=rf"run {RUN_ID}: .*my_gains.json has no value for this run"
    ):
        site.process(on_stored=told.append)
    assert {one["data_type"] for one in told} == {*RAW, "records", "pulse_counts"}


def with_gains(site: Site, *entries: Entry) -> Detector:
    assert site.one.tpc is not None
    signals = replace(site.one.tpc.signals, gains=ByRun("my_gains", entries))
    return replace(site.one, tpc=replace(site.one.tpc, signals=signals))


def test_ranges_for_other_runs_keep_stored_data_valid(tmp_path: Path) -> None:
    site = Site(tmp_path)
    mine = Entry(RUN, RUN + 9, GAINS, Provenance.ESTIMATED, "a guess")
    site.one = with_gains(site, mine)
    quality = site.process()["quality"]
    assert quality["corrections"] == {
        "gains": {"file": "my_gains", "provenance": "estimated", "why": "a guess"}
    }
    assert quality["verdict"] == "clean"
    assert findings.summary(quality)["corrections"] == {"gains": "estimated"}
    before = site.written()

    site.one = with_gains(site, Entry(0, 5, [1.0] * 5), mine, Entry(RUN + 10, 999_999, [2.0] * 5))
    assert site.process()["already_stored"] is True
    assert len(site.load("peaks")) == 24

    site.one = with_gains(site, replace(mine, value=[2 * gain for gain in GAINS]))
    quality = site.process()["quality"]
    after = site.written()
    assert {name: after[name] for name in before} == before
    assert data_types(after.keys() - before.keys()) == sorted([*PEAKS, *EVENTS])
    # One context for all runs: each has its own gains.
    keys = [
        context(with_gains(site, mine, Entry(RUN + 10, RUN + 20, [2.0] * 5)), tmp_path).key_for(
            f"{run:06d}", "peaks"
        )
        for run in (RUN, RUN + 9, RUN + 10)
    ]
    assert keys[0].lineage_hash == keys[1].lineage_hash != keys[2].lineage_hash


def test_the_real_run(tmp_path: Path, real_data: Path) -> None:
    one = detector.load("xamsl")
    receipt = processing.process_run(
        document=rundoc.from_json(json.loads((real_data / "rundoc_002240.json").read_text())),
        detector=one,
        live_data=real_data / "live_data",
        processed=tmp_path,
        data_type="event_info",
    )
    assert receipt["n_items"] == 0  # S1-like pulses only
    stored = context(one, tmp_path, readonly=True)
    records, peaks = (
        stored.get_array("002240", name, progress_bar=False) for name in ("records", "peaks")
    )
    # Each pulse is over the DAQ's threshold of 30 counts, and each hit is in exactly one peak.
    hits = strax.sort_by_time(strax.find_hits(records, min_amplitude=15))
    peak = np.searchsorted(peaks["time"], hits["time"], "right") - 1
    assert (peak >= 0).all()
    assert (hits["time"] < strax.endtime(peaks)[peak]).all()
    assert (peaks["time"][1:] >= strax.endtime(peaks)[:-1]).all()
    assert np.array_equal(np.bincount(peak, minlength=len(peaks)), peaks["n_hits"])
    area = peaks["area"].sum(dtype=np.float64)
    assert area == pytest.approx(0.0075 * records["area"].sum(dtype=np.float64), rel=1e-5)


def test_a_run_with_zero_duration(tmp_path: Path) -> None:
    site = Site(tmp_path, three_chunks()[:0])
    site.document["end"] = site.document["start"]
    assert site.process()["n_items"] == 0


def noise_only() -> Array:
    rng = np.random.default_rng(1)
    return np.concatenate(
        [
            pulse(
                MS * (1 + i), i % 5, [], baseline=rng.normal(BASELINE, 2, 500), before=500, after=0
            )
            for i in range(1, 50)
        ]
    )


def one_channel_dead() -> Array:
    records = three_chunks()
    return records[records["channel"] != 3]


def saturated() -> Array:
    return np.concatenate([pulse(MS * (1 + i), i % 5, square(30_000, 400)) for i in range(9)])


@pytest.mark.parametrize(
    ("records", "n_peaks", "n_events"),
    [
        (three_chunks()[:0], 0, 0),
        (noise_only(), 0, 0),
        (one_channel_dead(), 24, 12),
        (saturated(), 9, 0),
        (np.concatenate(interaction(MS)), 2, 1),
    ],
    ids=["empty", "noise", "dead_channel", "saturated", "short"],
)
def test_unusual_runs(tmp_path: Path, records: Array, n_peaks: int, n_events: int) -> None:
    site = Site(tmp_path, records)
    receipt = site.process()
    assert receipt["n_items"] == n_events
    assert receipt["stored"]["peaks"]["n_items"] == n_peaks
    for data_type in ("peaks_external", "peaks_sipm", "led_calibration"):
        assert site.process(data_type)["already_stored"] is False
    counts = site.load("pulse_counts")
    assert counts["pulse_count"].sum() == (records["record_i"] == 0).sum()
    if n_peaks == 24:
        assert not counts["pulse_count"][:, 3].any()
        assert not site.load("peaks")["area_per_channel"][:, 3].any()
    if n_peaks == 9:
        assert site.load("peaks")["n_saturated_channels"].tolist() == [1] * 9


@pytest.mark.parametrize(("before", "is_doubtful"), [(16, False), (8, True)])
def test_baselines_that_cannot_be_right_degrade_a_run(
    tmp_path: Path, before: int, is_doubtful: bool
) -> None:
    pulses = [pulse(MS * (1 + i), i % 5, square(300, 100), before=before) for i in range(20)]
    quality = Site(tmp_path, np.concatenate(pulses)).process("peaks")["quality"]
    assert quality["baselines"] == {
        str(channel): {"pulses": 4, "doubtful": 4 * is_doubtful} for channel in range(5)
    }
    rules = [one["rule"] for one in quality["findings"] if one["severity"] == "degraded"]
    assert rules == ["baseline"] * 5 * is_doubtful
    assert quality["verdict"] == ("degraded" if is_doubtful else "clean")
    told = findings.summary(quality)["findings"]
    assert ("channel 0: 4 of 4 pulses" in str(told)) == is_doubtful
