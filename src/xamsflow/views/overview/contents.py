"""The contents of a run's picture: numbers and histograms, read from strax data by chunk."""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.errors import BadDataError
from xamsflow.data.stored import Stored, endtime
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.settings.detector import Detector
from xamsflow.state.receipts import Receipt

Array = npt.NDArray[Any]

KINDS = ("unknown", "S1", "S2")
"""By the value of ``type``."""

FAILED = "failed"
"""The verdict on a run without data because its processing failed."""

BEING_TAKEN = "being taken"
"""The verdict on a run that has not ended."""

SAMPLED_CHUNKS = 5
"""Number of raw-record chunks, spread over the run, that are sampled to characterize channels."""

PULSES_PER_CHANNEL = 2_000
"""Number of pulses per channel and chunk, from the first on, whose waveforms are examined."""

BASELINE_SAMPLES = 20
"""Number of leading samples used; less than in any detector, so all precede the pulse."""

TIME_BINS = 60
SHORTEST_BIN = 0.05
"""s"""

DRIFT_BINS = 500

AREA = np.geomspace(0.1, 1e7, 161)
WIDTH = np.geomspace(1.0, 1e6, 121)
"""Bin edges in PE and ns."""


@dataclass(frozen=True)
class Rate:
    """A rate in Hz per time bin; bin edges are in s since the run's start."""

    edges: Array
    rate: Array


@dataclass
class Channel:
    """Properties of a channel in the sampled chunks.

    `n_pulses` counts the pulses in `live_time` (s). `baseline`, `noise` (rms of the first samples)
    and `height` (above baseline, negative for a pulse of opposite polarity) hold one value per
    pulse, in ADC counts; `shapes` holds the first record of each pulse divided by its height, in
    samples of `dt` ns.
    """

    digitizer: str
    dt: int
    n_pulses: int = 0
    live_time: float = 0.0
    baseline: Array = field(default_factory=lambda: np.zeros(0))
    noise: Array = field(default_factory=lambda: np.zeros(0))
    height: Array = field(default_factory=lambda: np.zeros(0))
    shapes: Array = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def rate(self) -> float:
        """Pulses per second."""
        return self.n_pulses / self.live_time if self.live_time else 0.0


@dataclass(frozen=True)
class Waveform:
    """An example waveform; `time` is in µs since its start, `kind` is what it shows."""

    title: str
    time: Array
    value: Array
    kind: str


@dataclass
class Contents:
    """Everything the picture shows of a run; fields are empty if data are not stored or are empty.

    Times in `gaps` and `dead` are in s since the run's start. `n_peaks` counts peaks by kind,
    `area_width` those within AREA and WIDTH. `drift_area` holds event counts by drift time and S2
    area, and the drift-time edges in µs. `light` holds an LED spectrum per channel and its edges
    (ADC counts x samples). `missing` says what could not be read.
    """

    run_id: str
    mode: str
    detector: str
    start: int
    end: int
    verdict: str = ""
    findings: tuple[str, ...] = ()
    stored: dict[str, int] = field(default_factory=dict)
    bytes_stored: int = 0
    bytes_live: int = 0
    dead_time_ns: int = 0
    live_time_ns: int | None = None
    gaps: list[tuple[float, float]] = field(default_factory=list)
    dead: list[tuple[float, float]] = field(default_factory=list)
    rates: dict[str, Rate] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    sampled: str = ""
    n_peaks: dict[str, int] = field(default_factory=dict)
    area_width: dict[str, Array] = field(default_factory=dict)
    drift_area: tuple[Array, Array] | None = None
    waveforms: list[Waveform] = field(default_factory=list)
    light: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    is_processed: bool = True

    @property
    def duration(self) -> float:
        """Length of the run in s."""
        return (self.end - self.start) / NS_PER_S

    def end_within(self, start: int, end: int) -> int:
        """Return when the data of a chunk end: the last one goes on to its nominal end."""
        return self.end if start < self.end < end else end

    def seconds(self, time: Any) -> Any:
        """Return times in ns since the epoch as s since the run's start."""
        return (time - self.start) / NS_PER_S


def collect(
    transferred: Receipt | None,
    made: Sequence[Receipt],
    detector: Detector,
    failure: str | None = None,
) -> Contents:
    """Read the data that a run's receipts name; `missing` lists what cannot be read.

    `failure` is why the run was not processed, None if it was not tried or succeeded.
    """
    facts = {name: each for receipt in made for name, each in receipt["stored"].items()}
    contents = _begin(transferred, made, facts, detector)
    if failure is not None and not made:
        contents.verdict, contents.findings = FAILED, (failure,)
    contents.is_processed = bool(made)
    stored: dict[str, Stored] = {}
    for name, each in facts.items():
        with _noted(contents, name):
            stored[name] = Stored(name, Path(each["path"]))
    for look in (_dead_time, _raw_rates, _channels, _light, _peaks, _events, _waveforms):
        with _noted(contents, look.__name__.strip("_").replace("_", " ")):
            look(contents, stored, detector)
    return contents


@contextmanager
def _noted(contents: Contents, what: str) -> Iterator[None]:
    """Record what cannot be shown, and why."""
    try:
        yield
    except Exception as error:  # data may be damaged in any way; show the rest anyway
        contents.missing.append(" ".join(f"{what} cannot be shown: {error}".split())[:160])


_AllStored = Mapping[str, Stored]


def _begin(
    transferred: Receipt | None,
    made: Sequence[Receipt],
    facts: Mapping[str, Mapping[str, Any]],
    detector: Detector,
) -> Contents:
    run = (
        None if transferred is None else rundoc.parse(rundoc.from_json(transferred["run_document"]))
    )
    starts = [run.start] if run else [each["start"] for each in facts.values()]
    ends = [run.end] if run and run.end else [each["end"] for each in facts.values()]
    receipt = transferred or next(iter(made), None)
    if receipt is None or not starts:
        raise BadDataError("nothing is known about this run", "transfer it first")
    contents = Contents(
        run_id=receipt["run_id"],
        mode=run.mode if run else "",
        detector=detector.name,
        start=min(starts),
        end=max(ends, default=min(starts)),
        stored={name: each["n_items"] for name, each in facts.items()},
        bytes_stored=sum(each["bytes"] for each in facts.values()),
        bytes_live=transferred["bytes"] if transferred else 0,
    )
    for receipt in made:
        quality = receipt["quality"]
        contents.verdict = quality.get("verdict", contents.verdict)
        contents.findings = tuple(
            f"{finding['rule']}: {finding['message']}" for finding in quality.get("findings", ())
        )
        contents.dead_time_ns = quality.get("dead_time_ns", 0)
        contents.live_time_ns = quality.get("live_time_ns")
        contents.gaps = [
            (contents.seconds(first), contents.seconds(last))
            for first, last in quality.get("gaps", ())
        ]
    return contents


def _time_edges(contents: Contents, times: Sequence[int] = ()) -> Array:
    end = max([contents.end, *times])
    duration = max(contents.seconds(end), SHORTEST_BIN)
    n_bins = int(np.clip(duration / SHORTEST_BIN, 1, TIME_BINS))
    return np.linspace(0, duration, n_bins + 1)


def _dead_time(contents: Contents, stored: _AllStored, _detector: Detector) -> None:
    if "raw_records_aqmon" not in stored:
        return
    for chunk in stored["raw_records_aqmon"].chunks():
        first = contents.seconds(chunk.data["time"])
        last = contents.seconds(endtime(chunk.data))
        contents.dead += list(zip(first.tolist(), last.tolist(), strict=True))


def _raw_records(stored: _AllStored) -> Iterator[tuple[str, Stored]]:
    for name, data in sorted(stored.items()):
        digitizer = name.removeprefix("raw_records_")
        if digitizer not in (name, "aqmon"):
            yield digitizer, data


def _raw_rates(contents: Contents, stored: _AllStored, _detector: Detector) -> None:
    """Take the rate of records from strax's chunk metadata, without reading any chunk."""
    for digitizer, data in _raw_records(stored):
        chunks = data.metadata["chunks"]
        edges = [chunks[0]["start"], *(chunk["end"] for chunk in chunks)]
        edges[-1] = contents.end_within(edges[-2], edges[-1])
        seconds = contents.seconds(np.array(edges))
        length = np.maximum(np.diff(seconds), 1e-9)
        counts = np.array([chunk["n"] for chunk in chunks])
        contents.rates[f"records {digitizer}"] = Rate(seconds, counts / length)


def _channels(contents: Contents, stored: _AllStored, detector: Detector) -> None:
    made = {name for name, _ in _raw_records(stored)}
    contents.channels = channels_of(detector, made)
    positive = positive_channels(detector)
    for digitizer_name, data in _raw_records(stored):
        chunks = data.metadata["chunks"]
        numbers = np.unique(np.linspace(0, len(chunks) - 1, SAMPLED_CHUNKS).round().astype(int))
        contents.sampled = f"{len(numbers)} of {len(chunks)} chunks"
        for number in numbers.tolist():
            chunk = data.chunk(number)
            live_time = (contents.end_within(chunk.start, chunk.end) - chunk.start) / NS_PER_S
            first = chunk.data[chunk.data["record_i"] == 0]
            for channel in np.unique(first["channel"]).tolist():
                known = contents.channels.setdefault(channel, Channel(digitizer_name, 1))
                mine = first[first["channel"] == channel]
                known.n_pulses += len(mine)
                add_waveforms(known, mine, is_positive=channel in positive)
            for known in contents.channels.values():
                known.live_time += live_time if known.digitizer == digitizer_name else 0.0


def channels_of(detector: Detector, digitizers: Container[str]) -> dict[int, Channel]:
    """Return the channels of these digitizers, without any pulse."""
    return {
        channel: Channel(digitizer.name, digitizer.sample_width)
        for digitizer in detector.digitizers
        if digitizer.name in digitizers
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1)
    }


def positive_channels(detector: Detector) -> frozenset[int]:
    """Return the channels whose pulses go up."""
    return frozenset(
        channel
        for digitizer in detector.digitizers
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1)
        if digitizer.polarity == "positive" or channel in digitizer.positive_channels
    )


def add_waveforms(channel: Channel, pulses: Array, *, is_positive: bool) -> None:
    """Add the waveforms of pulses of a channel, each by its first record."""
    channel.dt = int(pulses["dt"][0])
    pulses = pulses[pulses["length"] >= BASELINE_SAMPLES][:PULSES_PER_CHANNEL]
    if not len(pulses):
        return
    samples = pulses["data"].astype(np.float32)
    samples[np.arange(samples.shape[1]) >= pulses["length"][:, np.newaxis]] = np.nan
    baseline = samples[:, :BASELINE_SAMPLES].mean(axis=1)
    above = samples - baseline[:, np.newaxis]
    if not is_positive:
        above *= -1
    height = np.nanmax(above, axis=1)
    channel.baseline = np.append(channel.baseline, baseline)
    channel.noise = np.append(channel.noise, samples[:, :BASELINE_SAMPLES].std(axis=1))
    channel.height = np.append(channel.height, height)
    there = height > 0
    shapes = above[there] / height[there, np.newaxis]
    channel.shapes = np.concatenate([channel.shapes, shapes]) if len(channel.shapes) else shapes


def _light(contents: Contents, stored: _AllStored, _detector: Detector) -> None:
    if "led_calibration" not in stored:
        return
    edges = None
    for chunk in stored["led_calibration"].chunks():
        data = chunk.data[np.isfinite(chunk.data["area"])]
        if not len(data):
            continue
        if edges is None:
            low, high = np.percentile(data["area"], [0.2, 99.5])
            edges = np.linspace(low - 1, high + 1, 151)
        for channel in np.unique(data["channel"]).tolist():
            counts, _ = np.histogram(data["area"][data["channel"] == channel], edges)
            before = contents.light.get(channel, (0,))[0]
            contents.light[channel] = (counts + before, edges)


def _peaks(contents: Contents, stored: _AllStored, _detector: Detector) -> None:
    if "peak_basics" not in stored:
        return
    edges = _time_edges(contents)
    counts = np.zeros((len(KINDS), len(edges) - 1))
    contents.area_width = no_peaks()
    for chunk in stored["peak_basics"].chunks():
        seconds = contents.seconds(chunk.data["time"])
        for value in range(len(KINDS)):
            counts[value] += np.histogram(seconds[chunk.data["type"] == value], edges)[0]
        add_peaks(contents, chunk.data)
    for value, kind in enumerate(KINDS):
        contents.rates[kind] = Rate(edges, counts[value] / np.diff(edges))


def no_peaks() -> dict[str, Array]:
    """Return empty histograms of area and width."""
    return {kind: np.zeros((len(AREA) - 1, len(WIDTH) - 1)) for kind in KINDS}


def add_peaks(contents: Contents, peaks: Array) -> None:
    """Count peaks by kind, and by their area and width."""
    for value, kind in enumerate(KINDS):
        mine = peaks["type"] == value
        contents.n_peaks[kind] = contents.n_peaks.get(kind, 0) + int(mine.sum())
        both = peaks["area"][mine], peaks["range_50p_area"][mine]
        contents.area_width[kind] += np.histogram2d(*both, (AREA, WIDTH))[0]


def _events(contents: Contents, stored: _AllStored, detector: Detector) -> None:
    name = next((name for name in ("event_basics", "events") if name in stored), None)
    if name is None:
        return
    edges = _time_edges(contents)
    counts = np.zeros(len(edges) - 1)
    for chunk in stored[name].chunks():
        counts += np.histogram(contents.seconds(chunk.data["time"]), edges)[0]
        if name == "event_basics":
            add_drifts(contents, chunk.data, detector)
    contents.rates["events"] = Rate(edges, counts / np.diff(edges))


def add_drifts(contents: Contents, events: Array, detector: Detector) -> None:
    """Count events by their drift time and S2 area."""
    if contents.drift_area is None:
        longest = detector.tpc.event_left if detector.tpc is not None else 1e6
        edges = np.linspace(0, longest / 1e3, DRIFT_BINS + 1)
        contents.drift_area = np.zeros((DRIFT_BINS, len(AREA) - 1)), edges
    counts, edges = contents.drift_area
    whole = complete(events)
    both = whole["drift_time"] / 1e3, whole["s2_area"]
    contents.drift_area = counts + np.histogram2d(*both, (edges, AREA))[0], edges


def complete(events: Array) -> Array:
    """Return the events that have an S1 and an S2."""
    both: Array = events[np.isfinite(events["drift_time"])]
    return both


def _waveforms(contents: Contents, stored: _AllStored, _detector: Detector) -> None:
    """Choose a typical event with its S1 and S2; without events, large peaks; else pulses."""
    if "peaks" in stored and "event_basics" in stored and _event_waveforms(contents, stored):
        return
    if "peaks" in stored and _peak_waveforms(contents, stored["peaks"]):
        return
    for channel, seen in sorted(contents.channels.items()):
        if len(seen.shapes):
            chosen = int(np.argsort(seen.height[seen.height > 0])[len(seen.shapes) * 9 // 10])
            pulse = seen.shapes[chosen] * seen.height[seen.height > 0][chosen]
            time = np.arange(len(pulse)) * seen.dt / 1e3
            contents.waveforms.append(Waveform(f"a pulse of channel {channel}", time, pulse, "ADC"))


def _event_waveforms(contents: Contents, stored: _AllStored) -> bool:
    best = None
    for chunk in stored["event_basics"].chunks():
        whole = complete(chunk.data)
        if len(whole):
            best = whole[np.argsort(whole["s2_area"])[len(whole) // 2]].copy()
            break
    if best is None:
        return False
    peaks = _peaks_within(stored["peaks"], int(best["s1_time"]), int(best["s2_endtime"]))
    contents.waveforms = event_waveforms(best, peaks)
    return True


def event_waveforms(event: Any, peaks: Array) -> list[Waveform]:
    """Return the waveforms of a complete event, with its peaks, of its S1 and of its S2."""
    start = int(event["s1_time"])
    title = f"event {event['event_number']}: from S1 to S2"
    waveforms = [_summed(title, peaks, start, "event")]
    for kind in ("S1", "S2"):
        first = int(event[f"{kind.lower()}_time"])
        found = peaks[peaks["time"] == first]
        title = f"its {kind}, {event[f'{kind.lower()}_area']:.0f} PE"
        waveforms.append(_summed(title, found, first, kind))
    return waveforms


def _peaks_within(stored: Stored, start: int, end: int) -> Array:
    pieces = [chunk.data for chunk in stored.chunks(time_range=(start, end))]
    peaks = np.concatenate(pieces)
    inside: Array = peaks[(peaks["time"] >= start) & (endtime(peaks) <= end)]
    return inside


def _peak_waveforms(contents: Contents, stored: Stored) -> bool:
    for chunk in stored.chunks():
        if len(chunk.data):
            for place in np.argsort(chunk.data["area"])[::-1][:3]:
                peak = chunk.data[place : place + 1]
                title = f"a peak of {peak['area'][0]:.0f} PE"
                contents.waveforms.append(_summed(title, peak, int(peak["time"][0]), "peak"))
            return True
    return False


def _summed(title: str, peaks: Array, start: int, kind: str) -> Waveform:
    """Return the waveforms of peaks in sequence, in PE/ns, with zeros between them."""
    time, value = [np.zeros(0)], [np.zeros(0)]
    for peak in peaks:
        length, dt = int(peak["length"]), int(peak["dt"])
        begin = (int(peak["time"]) - start) / 1e3
        steps = begin + np.arange(length + 1) * dt / 1e3
        time.append(np.concatenate([[begin], steps]))
        value.append(np.concatenate([[0], peak["data"][:length] / dt, [0]]))
    return Waveform(title, np.concatenate(time), np.concatenate(value), kind)
