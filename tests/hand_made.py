"""Raw records and peaks made by hand, and strax contexts that take them instead of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.context import plugins
from xamsflow.settings import detector
from xamsflow.settings.detector import Detector

Array = npt.NDArray[Any]

RUN_ID = "000007"
N_SAMPLES = 110
DT = 2
BASELINE = 8000
BEFORE = 48
"""Samples of a pulse before its signal."""

GAINS = [0.01, 0.02, 0.02, 0.02, 0.02]
POSITIONS = ((1, -10.0, 10.0), (2, 10.0, 10.0), (3, -10.0, -10.0), (4, 10.0, -10.0))


def xams() -> Detector:
    """Return XAMS as it ships, but with the same gains and corrections in all runs."""
    shipped = detector.load("xams")
    assert shipped.tpc is not None
    signals = replace(shipped.tpc.signals, gains=GAINS)
    tpc = replace(
        shipped.tpc,
        signals=signals,
        positions=POSITIONS,
        position_polynomials=None,
        electron_lifetime=100_000.0,
        s1_map=None,
        gate_time=0,
    )
    return replace(shipped, tpc=tpc)


def pulse(
    time: int,
    channel: int,
    signal: Any,
    *,
    baseline: Any = BASELINE,
    upwards: bool = False,
    before: int = BEFORE,
    after: int = BEFORE,
    dt: int = DT,
) -> Array:
    """Return the raw records of a pulse whose `signal` (ADC counts) begins at `time` (ns).

    The digitizer measures no baseline: to half a count, it would be another one.
    """
    height = np.concatenate([np.zeros(before), np.atleast_1d(signal), np.zeros(after)])
    samples = np.clip(np.rint(baseline + (height if upwards else -height)), 0, 2**14 - 1)
    n_records = -(-len(samples) // N_SAMPLES)
    records: Array = np.zeros(n_records, strax.raw_record_dtype(N_SAMPLES))
    fragment = np.arange(n_records)
    records["time"] = time - before * dt + fragment * N_SAMPLES * dt
    records["length"] = np.minimum(len(samples) - fragment * N_SAMPLES, N_SAMPLES)
    records["dt"] = dt
    records["channel"] = channel
    records["pulse_length"] = len(samples)
    records["record_i"] = fragment
    padded = np.zeros(n_records * N_SAMPLES)
    padded[: len(samples)] = samples
    records["data"] = padded.reshape(n_records, N_SAMPLES)
    return records


def square(height: int = 100, n_samples: int = 20) -> Array:
    """Return a signal of constant height."""
    return np.full(n_samples, height)


def together(*records: Array) -> Array:
    """Return records by time and channel."""
    joined = np.concatenate([np.zeros(0, strax.raw_record_dtype(N_SAMPLES)), *records])
    return joined[np.lexsort((joined["channel"], joined["time"]))]


def random_records(seed: int, n_pulses: int) -> Array:
    """Return records of pulses with random light, several in a channel and longer than a record."""
    random = np.random.default_rng(seed)
    made = []
    for channel in range(3):
        time = 1000
        for _ in range(n_pulses):
            signal = random.normal(0, 12, random.integers(1, 4 * N_SAMPLES))
            raw = pulse(time, channel, signal, baseline=BASELINE + random.random())
            time = int(strax.endtime(raw)[-1]) + (BEFORE + int(random.integers(0, 500))) * DT
            made.append(raw)
    raw = strax.sort_by_time(np.concatenate(made))
    records = np.zeros(len(raw), strax.record_dtype(N_SAMPLES))
    for name in raw.dtype.names:
        records[name] = raw[name]
    strax.baseline(records, baseline_samples=40, flip=True)
    strax.zero_out_of_bounds(records)
    return records


def pauses(records: Array, end: int, length: int = 1000) -> Array:
    """Return all times at which the DAQ may cut: those of records behind a long pause."""
    busy_until = np.maximum.accumulate(strax.endtime(records))
    after_pause = np.flatnonzero(records["time"][1:] >= busy_until[:-1] + length) + 1
    times: Array = records["time"][after_pause]
    return times[times < end]


def source(
    data: Mapping[str, Array], kinds: Mapping[str, str], borders: Sequence[int]
) -> type[strax.Plugin]:
    """Return a plugin that provides given data, in chunks between `borders`."""
    names = tuple(data)

    dtypes = {name: array.dtype for name, array in data.items()}

    class Source(strax.Plugin):  # type: ignore[misc]
        provides = names
        depends_on = ()
        # Of a single output, strax wants no dicts.
        data_kind = dict(kinds) if len(names) > 1 else kinds[names[0]]
        dtype = dtypes if len(names) > 1 else dtypes[names[0]]
        save_when = strax.SaveWhen.NEVER

        def is_ready(self, chunk_i: int) -> bool:
            return chunk_i < len(borders) - 1

        def source_finished(self) -> bool:
            return True

        def compute(self, chunk_i: int) -> strax.Chunk | dict[str, strax.Chunk]:
            start, end = borders[chunk_i : chunk_i + 2]
            result = {}
            for name, array in data.items():
                mine = array[(array["time"] >= start) & (array["time"] < end)]
                result[name] = self.chunk(start=start, end=end, data=mine, data_type=name)
            return result if self.multi_output else result[names[0]]

    return Source


class Made:
    """All that a detector's plugins make of given data."""

    def __init__(
        self,
        data: Mapping[str, Array],
        borders: Sequence[int],
        one: Detector | None = None,
        kinds: Mapping[str, str] | None = None,
        run_id: str = RUN_ID,
    ) -> None:
        given = source(data, kinds or {name: name for name in data}, borders)
        others = [
            plugin for plugin in plugins(one or xams()) if not set(data) & set(_provided(plugin))
        ]
        self.run_id = run_id
        self.context = strax.Context(
            storage=[], register=[given, *others], use_per_run_defaults=True
        )

    def __getitem__(self, data_type: str) -> Array:
        made: Array = self.context.get_array(
            self.run_id, data_type, processor="single_thread", progress_bar=False
        )
        return made


def _provided(plugin: type[strax.Plugin]) -> tuple[str, ...]:
    provided: tuple[str, ...] = strax.to_str_tuple(plugin.provides)
    return provided


def made_of(
    *records: Array,
    end: int = 10_000_000,
    borders: Sequence[int] = (),
    one: Detector | None = None,
    run_id: str = RUN_ID,
) -> Made:
    """Return what is made of raw records of a V1730, in a run from 0 to `end`."""
    return Made({"raw_records_v1730": together(*records)}, [0, *borders, end], one, run_id=run_id)
