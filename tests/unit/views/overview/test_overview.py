"""The picture of a run, of data that were simulated and really processed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.settings import detector as detectors
from xamsflow.settings.config import Daq, Storage
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import transfer_run
from xamsflow.views import overview
from xamsflow.views.overview import contents

pytestmark = pytest.mark.xdist_group("overview")  # its tests share costly fixtures

DETECTOR = detectors.load("xamsl")


@dataclass
class Made:
    transferred: Receipt
    receipt: Receipt

    def contents(self) -> contents.Contents:
        return contents.collect(self.transferred, [self.receipt], DETECTOR)

    def n_items(self, name: str) -> int:
        n_items: int = self.receipt["stored"][name]["n_items"]
        return n_items


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    def made(number: int, target: str, **choices: Any) -> Made:
        folder = tmp_path_factory.mktemp("run")
        choices = {"chunk_length": 1.0, "chunk_overlap": 0.1, "seed": number} | choices
        run = SimulatedRun(number=number, detector=DETECTOR, **choices)
        document = simulate(run, folder / "daq")
        storage = Storage(folder / "live_data", folder / "processed", "here")
        transferred = transfer_run(document, Daq(ssh=None, live_data=folder / "daq"), storage)
        receipt = process_run(
            document=document,
            detector=DETECTOR,
            live_data=storage.live_data,
            processed=storage.processed,
            data_type=target,
        )
        return Made(transferred, receipt)

    return made


@pytest.fixture(scope="module")
def physics(make: Callable[..., Made]) -> Made:
    return make(
        1, "event_basics", duration=3.3, physics=Physics.of(DETECTOR, 1, event_rate=20.0)
    )  # fmt: skip


@pytest.fixture(scope="module")
def raw(make: Callable[..., Made]) -> Made:
    return make(2, "raw_records_v1730", duration=3.3, rate=100.0)


def drawn(made: Made, output: Path) -> np.ndarray:
    overview.make(made.transferred, [made.receipt], DETECTOR, output)
    pixels: np.ndarray = matplotlib.image.imread(output)
    assert pixels.shape[:2] == (1280, 1600)
    return pixels


def n_of(rate: contents.Rate) -> int:
    return round(float((rate.rate * np.diff(rate.edges)).sum()))


def test_all_that_is_stored_is_in_the_picture(physics: Made, tmp_path: Path) -> None:
    seen = physics.contents()
    assert seen.missing == []
    assert seen.verdict == "clean"
    assert sum(seen.n_peaks.values()) == physics.n_items("peaks")
    assert seen.n_peaks["S1"] > 20
    assert seen.n_peaks["S2"] > 20
    assert sum(n_of(seen.rates[kind]) for kind in contents.KINDS) == physics.n_items("peaks")
    assert n_of(seen.rates["events"]) == physics.n_items("events")
    assert n_of(seen.rates["records v1730"]) == physics.n_items("raw_records_v1730")
    assert seen.drift_area is not None
    assert seen.drift_area[0].sum() > 20
    # S1s are narrower than S2s.
    width = {kind: counts.sum(axis=0).argmax() for kind, counts in seen.area_width.items()}
    assert width["S1"] < width["S2"]
    assert set(seen.channels) == {0, 1, 2, 3}
    event, s1, s2 = seen.waveforms
    assert (event.kind, s1.kind, s2.kind) == ("event", "S1", "S2")
    # What is drawn is as large as what the title says.
    area = float((s2.value[:-1] * np.diff(s2.time)).sum() * 1e3)
    assert f"{area:.0f} PE" in s2.title
    drawn(physics, tmp_path / "picture.png")
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


def test_channels_are_judged_from_their_pulses(raw: Made) -> None:
    channel = raw.contents().channels[0]
    assert channel.dt == 2
    assert channel.rate == pytest.approx(channel.n_pulses / 3.3, rel=0.05)
    assert channel.height.min() > 14  # the threshold of the DAQ
    assert np.all((channel.baseline > 7000) & (channel.baseline < 9000))
    assert 0.5 < np.median(channel.noise) < 5
    assert np.nanmax(channel.shapes) == pytest.approx(1)


def test_the_rate_holds_to_the_end_of_a_run(make: Callable[..., Made]) -> None:
    """The last chunk is stored with its nominal end, long after that of the run."""
    seen = make(5, "raw_records_v1730", duration=2.5, rate=200.0).contents()
    rate = seen.rates["records v1730"]
    assert rate.edges[-1] == seen.duration == pytest.approx(2.5)
    assert rate.rate[-1] == pytest.approx(np.mean(rate.rate[:-1]), rel=0.3)
    assert seen.channels[0].live_time == pytest.approx(2.5, abs=0.1)


def test_raw_records_alone_are_worth_a_picture(raw: Made, tmp_path: Path) -> None:
    seen = raw.contents()
    assert seen.missing == []
    assert seen.area_width == {}
    assert {waveform.kind for waveform in seen.waveforms} == {"ADC"}
    drawn(raw, tmp_path / "picture.png")


def test_a_run_for_calibration_shows_the_light_of_the_led(make: Callable[..., Made]) -> None:
    made = make(3, "led_calibration", duration=1.1, rate=300.0)
    light = made.contents().light
    assert set(light) == {0, 1}
    counted = sum(counts.sum() for counts, _ in light.values())
    assert 0.98 * made.n_items("led_calibration") <= counted <= made.n_items("led_calibration")


def test_a_run_without_data_has_a_picture(make: Callable[..., Made], tmp_path: Path) -> None:
    made = make(4, "event_basics", duration=1.1, rate=0.0)
    assert made.n_items("peaks") == 0
    drawn(made, tmp_path / "picture.png")


def test_a_run_that_was_only_transferred_has_a_picture(raw: Made, tmp_path: Path) -> None:
    overview.make(raw.transferred, [], DETECTOR, tmp_path / "picture.png")
    overview.make(raw.transferred, [], DETECTOR, tmp_path / "failed.png", failure="T1: torn")
    seen = contents.collect(raw.transferred, [], DETECTOR, "T1: torn")
    assert (seen.verdict, seen.findings, seen.is_processed) == ("failed", ("T1: torn",), False)
    assert contents.collect(raw.transferred, [raw.receipt], DETECTOR, "T1").verdict == "clean"
    overview.make(None, [raw.receipt], DETECTOR, tmp_path / "other.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_gaps_and_findings_are_shown(raw: Made, tmp_path: Path) -> None:
    receipt = json.loads(json.dumps(raw.receipt))
    start = raw.contents().start
    receipt["quality"] |= {
        "gaps": [[start, start + NS_PER_S]],
        "dead_time_ns": NS_PER_S // 2,
        "verdict": "degraded",
        "findings": [{"rule": f"T{n}", "message": "gone, $\\frac{x}$"} for n in range(9)],
    }
    made = Made(raw.transferred, receipt)
    seen = made.contents()
    assert seen.gaps == [(0.0, 1.0)]
    assert len(seen.findings) == 9
    assert not np.array_equal(
        drawn(made, tmp_path / "degraded.png"), drawn(raw, tmp_path / "clean.png")
    )


@pytest.mark.parametrize("mode", ["$\\frac{1", "a\nb\x00\x1b[31m", "<script>", "\U0001f4a5" * 300])
def test_a_run_document_cannot_spoil_the_picture(raw: Made, tmp_path: Path, mode: str) -> None:
    document = rundoc.from_json(raw.transferred["run_document"]) | {"mode": mode}
    transferred = raw.transferred | {"run_document": rundoc.to_json(document)}
    drawn(Made(transferred, raw.receipt), tmp_path / "picture.png")


def test_damaged_data_are_said_to_be_missing(make: Callable[..., Made], tmp_path: Path) -> None:
    made = make(5, "raw_records_v1730", duration=1.1, rate=100.0)
    for file in Path(made.receipt["path"]).glob("*-000000"):
        file.write_bytes(file.read_bytes()[:100])
    assert [line.split()[0] for line in made.contents().missing] == ["channels"]
    drawn(made, tmp_path / "picture.png")
    for file in Path(made.receipt["path"]).glob("*-metadata.json"):
        file.write_text(file.read_text()[:100])
    assert [line.split()[0] for line in made.contents().missing] == ["raw_records_v1730"]
    drawn(made, tmp_path / "picture.png")


def test_a_long_run_is_never_whole_in_memory(physics: Made, monkeypatch: Any) -> None:
    """Each chunk that was read is let go before the next but one is read."""
    alive: list[Any] = []
    import weakref  # noqa: PLC0415

    load = contents.Stored.chunks

    def watched(self: Any, **selection: Any) -> Any:
        for chunk in load(self, **selection):
            alive.append(weakref.ref(chunk))
            assert sum(one() is not None for one in alive) <= 4, self.name
            yield chunk

    monkeypatch.setattr(contents.Stored, "chunks", watched)
    seen = physics.contents()
    assert seen.missing == []
    assert len(alive) > 10


def test_nothing_of_a_run_is_an_error_for_people(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="process the run first"):
        overview.make_run("000932", DETECTOR, tmp_path / "picture.png")
