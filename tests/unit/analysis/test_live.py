"""A run while it is being taken: what is shown, and what is odd."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from xamsflow.analysis.live import show
from xamsflow.analysis.live.feed import Pause, Piece, feeding, some_pulses
from xamsflow.analysis.live.odd import WINDOW_S, Watch
from xamsflow.analysis.live.so_far import RECENT, TIME_BINS, SoFar
from xamsflow.analysis.quantities import shipped
from xamsflow.base.errors import BadDataError
from xamsflow.redax import rundoc
from xamsflow.settings import config, detector
from xamsflow.simulate import SimulatedRun
from xamsflow.simulate.document import document_at_start
from xamsflow.state import health, layout, live, quantities
from xamsflow.state.quantities import Quantities, Quantity

XAMS = detector.load("xams")
RUN_ID = "006800"
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOSTILE = "<script>document.title='owned'</script>{{ 7*7 }}"
PERIOD = 5_500_000_000
CHANNELS = XAMS.tpc.signals.channels if XAMS.tpc else ()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def document() -> dict[str, Any]:
    run = SimulatedRun(number=6800, detector=XAMS, start=START)
    return document_at_start(run, Path("live_data")) | {"mode": HOSTILE}


@pytest.fixture
def run(document: dict[str, Any]) -> rundoc.Run:
    return rundoc.parse(document)


def piece(name: str, number: int, data: Any, run: rundoc.Run, n: int = 0) -> Piece:
    start = run.start + number * PERIOD
    counts = dict.fromkeys(CHANNELS, n) if n else {}
    return Piece(name, start, start + PERIOD, data, counts)


def raw(number: int, run: rundoc.Run, n: int) -> Piece:
    """A chunk of raw records with one pulse of each channel, of `n` each."""
    dtype = [("time", int), ("length", int), ("dt", int), ("channel", int), ("record_i", int)]
    records = np.zeros(len(CHANNELS), [*dtype, ("data", np.int16, 110)])
    records["time"] = run.start + number * PERIOD + np.arange(len(CHANNELS))
    records["channel"], records["dt"], records["length"] = CHANNELS, 2, 110
    records["data"] = 8000 - number
    records["data"][:, 50] -= 200
    return piece("raw_records_v1730", number, records, run, n)


def counted(number: int, run: rundoc.Run, noise: float) -> Piece:
    """A chunk of pulse counts; the noise of channel 3 is `noise`."""
    by_channel = (len(CHANNELS),)
    names = [("pulse_count", int, by_channel), ("baseline_mean", float, by_channel)]
    counts = np.zeros(
        1, [("time", int), ("endtime", int), *names, ("baseline_rms_mean", float, by_channel)]
    )
    counts["time"] = run.start + number * PERIOD
    counts["endtime"] = counts["time"] + PERIOD
    counts["pulse_count"], counts["baseline_mean"] = 1000 + number % 3, 8000 + 0.01 * (number % 4)
    counts["baseline_rms_mean"] = 2.0 + 0.001 * (number % 5)
    counts["baseline_rms_mean"][0, 3] = noise + 0.001 * (number % 5)
    return piece("pulse_counts", number, counts, run)


def test_what_is_known_stays_small(run: rundoc.Run) -> None:
    """Rates have few bins however long the run is, and lose no pulse; channels show the newest."""
    known = SoFar(run, XAMS)
    n_chunks = 5 * TIME_BINS + 1
    for number in range(n_chunks):
        known.add(raw(number, run, n=10 + number % 2))
    shown = known.contents(())
    rate = shown.rates["records v1730"]
    assert len(rate.rate) <= 2 * TIME_BINS
    n_pulses = (rate.rate * np.diff(rate.edges)).sum()
    assert n_pulses == pytest.approx(
        sum(10 + number % 2 for number in range(n_chunks)) * len(CHANNELS)
    )
    assert rate.edges[-1] == pytest.approx(n_chunks * PERIOD / 1e9) == shown.duration
    assert shown.channels[3].rate == pytest.approx(10.5 * 1e9 / PERIOD)
    assert shown.channels[3].baseline.tolist() == [
        8000 - number for number in range(n_chunks - RECENT, n_chunks)
    ]
    assert shown.verdict == "being taken"


def test_a_rate_is_not_shown_where_nothing_was_looked_at(run: rundoc.Run) -> None:
    known = SoFar(run, XAMS)
    known.add(raw(0, run, n=10))
    known.add(replace(raw(2, run, n=10), n_left_out=1))
    shown = known.contents(())
    assert shown.rates["records v1730"].rate.tolist()[1] == 0
    assert shown.missing == ["1 chunks are not shown: the machine is busy"]


def test_the_newest_large_event_is_chosen(run: rundoc.Run) -> None:
    known = SoFar(run, XAMS)
    times = [("time", int), ("endtime", int)]
    peaks = np.zeros(20, times)
    peaks["time"] = run.start + np.arange(20) * 1000
    peaks["endtime"] = peaks["time"] + 500
    events = np.zeros(
        20, [*times, ("drift_time", float), ("s2_area", float), ("event_number", int)]
    )
    events["time"], events["endtime"] = peaks["time"], peaks["time"] + 900
    events["s2_area"], events["event_number"] = 100, np.arange(20)
    events["s2_area"][[3, 9]] = 5000, 4000
    events["drift_time"][15:] = np.nan
    known.add(piece("peaks", 0, peaks, run))
    known.add(piece("event_basics", 0, events, run))
    assert known.event is not None
    assert known.event.row["event_number"] == 9
    assert known.event.peaks["time"].tolist() == [peaks["time"][9]]


def earlier_runs(run: rundoc.Run, n: int = 20) -> None:
    """Write the noise of earlier runs, as it was measured after their ends."""
    (noise,) = (one for one in shipped.definitions() if one.name == "noise")
    rng = np.random.default_rng(1)
    for number in range(6700, 6700 + n):
        found = {
            f"noise_ch{channel}": Quantity(
                2.0 + 0.003 * rng.standard_normal(), 0.001, noise.unit, noise.definition,
                channel=channel,
            )
            for channel in CHANNELS
        }  # fmt: skip
        start = run.start - (6800 - number) * 10**12
        quantities.write(
            Quantities(f"{number:06d}", "xams", run.mode, start, start + 10**11, "", {}, found)
        )


def test_what_is_odd_is_said_after_two_windows(run: rundoc.Run) -> None:
    earlier_runs(run)
    watch = Watch(run, XAMS)
    windows: list[set[str]] = []
    n_chunks = int(WINDOW_S * 1e9 / PERIOD) + 1
    for number in range(5 * n_chunks):
        noise = 2.6 if number // n_chunks in (1, 3, 4) else 2.0  # the first passes by itself
        if watch.add(counted(number, run, noise)):
            windows.append({one.name for one in watch.odd})
    assert windows == [set(), set(), set(), set(), {"noise_ch3"}]
    assert watch.new == ("noise_ch3",)
    assert watch.is_judged
    assert "20 earlier runs of mode" in watch.compared


def test_too_few_runs_to_compare_with(run: rundoc.Run) -> None:
    earlier_runs(run, 3)
    watch = Watch(run, XAMS)
    assert sum(watch.add(counted(number, run, 9.0)) for number in range(24)) == 2
    assert (watch.odd, watch.new, watch.is_judged) == ((), (), False)
    assert "15 are needed" in watch.compared


def test_few_pulses_are_sent() -> None:
    records = np.zeros(1000, [("channel", int), ("record_i", int)])
    records["channel"] = np.arange(1000) % 3 + np.arange(1000) // 999 * 5
    records["record_i"][:3] = 1
    sent, n_pulses = some_pulses(records)
    assert n_pulses == {0: 332, 1: 332, 2: 332, 5: 1}
    assert np.unique(sent["channel"], return_counts=True)[1].tolist() == [200, 200, 200, 1]
    assert some_pulses(records[:3])[1] == {}


def test_little_is_read_before_a_picture_is_drawn(
    run: rundoc.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that is caught up on is not shown, and fills the memory."""
    sent = [raw(0, run, 1)] * 500
    n_read = 0

    def arriving() -> Iterator[Piece]:
        nonlocal n_read
        for one in sent:
            n_read += 1
            yield one

    bunches = show._bunches(arriving())
    first = next(bunches)
    assert 0 < len(first) <= show.MOST_PIECES
    assert n_read <= 2 * show.MOST_PIECES + 1
    assert len(first) + sum(map(len, bunches)) == len(sent)
    pauses = [Pause(), *sent[:2], Pause(), Pause(), sent[2], Pause()]
    assert [len(bunch) for bunch in show._bunches(iter(pauses))] == [2, 1]
    monkeypatch.setattr(show, "LONGEST_S", 0.0)
    assert [len(bunch) for bunch in show._bunches(iter(sent[:3]))] == [1, 1, 1]


def test_a_run_is_shown_and_forgotten(
    document: dict[str, Any], run: rundoc.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of its own: pictures, the page and the file; nothing of it is interpreted."""
    settings = yaml.safe_load(layout.DEFAULT_CONFIG.read_text()) | {"detector": "xams"}
    for name, value in config.to_environment(settings).items():
        monkeypatch.setenv(name, value)
    with feeding(document) as feed:
        assert feed is not None
        for number in range(2):
            sent = raw(number, run, 1)
            feed(
                "raw_records_v1730", SimpleNamespace(start=sent.start, end=sent.end, data=sent.data)
            )
        feed.pause()
        deadline = time.monotonic() + 120
        while not layout.LIVE_PAGE.is_file():
            assert time.monotonic() < deadline, layout.live_log(RUN_ID).read_text()
            time.sleep(0.05)
        (found,) = live.current()
        assert found.n_chunks == 2
        assert (found.run_id, found.mode, found.odd) == (RUN_ID, HOSTILE, ())
        text = layout.LIVE_PAGE.read_text()
        assert "Run 006800 is being taken: &lt;script&gt;document" in text
        assert "{{ 7*7 }}" in text
        assert f'src="{RUN_ID}/overview.png?' in text
        assert layout.overview(RUN_ID).is_file()
        assert not layout.health(RUN_ID).exists()
    live.forget(RUN_ID)
    assert list(live.current()) == []
    assert not layout.overview(RUN_ID).exists()


def test_nobody_to_show_it(
    document: dict[str, Any],
    run: rundoc.Run,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The job goes on, whatever becomes of the process: here, a program is missing."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("PATH", "")
    with feeding(document) as feed:
        assert feed is not None
        deadline = time.monotonic() + 120
        while feed.is_shown:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for number in range(20):
            sent = raw(number, run, 1)
            feed(
                "raw_records_v1730", SimpleNamespace(start=sent.start, end=sent.end, data=sent.data)
            )
    assert "the process that shows the run ended with code 1" in caplog.text
    assert "No such file or directory" in layout.live_log(RUN_ID).read_text()


def test_a_damaged_file_concerns_its_own_run_only(run: rundoc.Run) -> None:
    good = live.LiveRun(
        RUN_ID, "m", run.start, run.start + PERIOD, 1, 0, (), False, "", None,
        datetime.now(UTC).isoformat(),
    )  # fmt: skip
    live.write(good)
    for number, content in enumerate(("", "{}", "[]", '{"version": 1, "odd": 3}')):
        (layout.LIVE / f"00690{number}.json").write_text(content)
    for number, wrong in enumerate(
        (
            {"start": None},
            {"mode": 3},
            {"until": 10**30},
            {"run_id": RUN_ID},
            {"time": "0001-01-01"},
        )
    ):
        run_id = f"00691{number}"
        content = asdict(replace(good, run_id=run_id)) | wrong
        layout.live_file(run_id).write_text(json.dumps({"version": live.VERSION} | content))
        with pytest.raises(BadDataError):
            live.read(run_id)
    live.write(replace(good, run_id="006700", time="2020-01-01T00:00:00+00:00"))
    assert list(live.current()) == [good]
    assert health.read(RUN_ID) is None
