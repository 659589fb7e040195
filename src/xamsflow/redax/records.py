"""Checks that the records of a file are what digitizers can produce, in one pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from immutabledict import immutabledict

from xamsflow.base.compiling import compiled
from xamsflow.redax.files import Records
from xamsflow.redax.findings import DEGRADED, REJECT, Findings, Severity
from xamsflow.settings.detector import DEAD_TIME, Detector

UNKNOWN = -1

HEADER_WORDS = 12
"""16-bit words of a record before its samples."""

TOO_HIGH = 0xC000
"""The bits of a sample that a 14-bit ADC does not have."""

CLOCK_ROLLOVER = 2**31 * 10
"""ns after which the clock of a V1724 rolls over: 31 bits of 10 ns, 21.47 s."""

SHORT_CLOCK = 10
"""ns per sample of the digitizers with such a clock; V1725 and V1730 roll over only after days."""

ROLLED_OVER = 0.2
"""Share of a file's records that go back in time if a short clock has rolled over.

A late packet goes back too, but contains only a small part of a file's records.
"""

GARBAGE = 4
"""If one in this many records is wrong, in two ways or more, the assumed record length is wrong.

If only channels are wrong, in whatever way, the records belong to another detector.
"""


def channel_map(
    digitizer_channels: Mapping[str, Sequence[int]], dead_time_channel: int
) -> immutabledict[str, tuple[int, int]]:
    """Return the first and last channel (inclusive) of each output, by ascending channel."""
    ranges = {name: (first, last) for name, (first, last) in digitizer_channels.items()}
    ranges[DEAD_TIME] = (dead_time_channel, dead_time_channel)
    return immutabledict(sorted(ranges.items(), key=lambda item: item[1]))


@dataclass(frozen=True)
class Channels:
    """The detector's channels: the first and last one (inclusive) of each output.

    `output` (the index in `ranges`) and `sample_width` (ns) are by channel, UNKNOWN if the detector
    lacks the channel. `unconnected` is the sample width of an input that redax may have read but
    the detector lacks, otherwise UNKNOWN. There is an entry for each 16-bit pattern, so that
    negative channels are valid indices.
    """

    detector: str
    ranges: Mapping[str, tuple[int, int]]
    output: npt.NDArray[np.int16]
    sample_width: npt.NDArray[np.int16]
    unconnected: npt.NDArray[np.int16]

    @classmethod
    def of(
        cls,
        detector: str,
        ranges: Mapping[str, tuple[int, int]],
        sample_widths: Mapping[str, int],
        dead_time_width: int,
    ) -> "Channels":
        """Return the channels for a detector's ranges, including dead time, in ascending order."""
        output = np.full(2**16, UNKNOWN, np.int16)
        sample_width = np.full(2**16, UNKNOWN, np.int16)
        for i, (name, (first, last)) in enumerate(ranges.items()):
            output[first : last + 1] = i
            sample_width[first : last + 1] = sample_widths.get(name, dead_time_width)
        return cls(detector, ranges, output, sample_width, np.full_like(output, UNKNOWN))

    @classmethod
    def of_detector(cls, detector: Detector) -> "Channels":
        """Return the channels of a detector."""
        widths = {one.name: one.sample_width for one in detector.digitizers}
        ranges = channel_map(
            {one.name: (one.first_channel, one.last_channel) for one in detector.digitizers},
            detector.dead_time_channel,
        )
        return cls.of(detector.name, ranges, widths, max(widths.values()))

    def with_inputs(self, enabled: Iterable[tuple[int, int]]) -> "Channels":
        """Return the channels with the inputs that redax reads: channel and sample width (ns).

        A digitizer's inputs may be enabled without being connected.
        """
        unconnected = np.full_like(self.output, UNKNOWN)
        for channel, width in enabled:
            if self.sample_width[channel] != width:
                unconnected[channel] = width
        return replace(self, unconnected=unconnected)

    def are_unconnected(self, headers: Records) -> npt.NDArray[np.bool_]:
        """Return which records are of inputs that the detector lacks."""
        found: npt.NDArray[np.bool_] = (
            self.unconnected[headers["channel"].view(np.uint16)] == headers["dt"]
        )
        return found

    def __str__(self) -> str:
        listed = (f"{name} {first} to {last}" for name, (first, last) in self.ranges.items())
        return f"{self.detector} has {', '.join(listed)}"


_HEADER = [
    ("time", "<i8"),
    ("length", "<i4"),
    ("dt", "<i2"),
    ("channel", "<i2"),
    ("pulse_length", "<i4"),
    ("record_i", "<i2"),
    ("baseline", "<i2"),
]

HEADER = np.dtype(_HEADER)
"""A record without its samples; the first check also copies the headers for later ones."""

FIELDS = ("time", "length", "dt", "channel", "pulse_length", "record_i")

CHANNEL, WIDTH, LENGTH, WINDOW, SAMPLES, PADDING, BACK, ROLLOVER = range(8)
N_KINDS = 8


def record_dtype(record_length: int) -> np.dtype[np.void]:
    """Return the type of records with `record_length` samples, as strax reads them.

    redax writes some fields as unsigned.
    """
    return np.dtype([*_HEADER, ("data", "<i2", (record_length,))])


@compiled
def _wrong_samples(words: Any, i: int, length: int) -> int:
    """Return the fault in the samples of record `i`, if any."""
    n_samples = words.shape[1] - HEADER_WORDS
    samples = np.uint16(0)
    # A loop that starts at 0 compiles to vector instructions.
    for j in range(n_samples):
        samples |= words[i, j + HEADER_WORDS]
    if samples & TOO_HIGH:
        return SAMPLES
    padding = np.uint16(0)
    for j in range(n_samples - length):
        padding |= words[i, j + HEADER_WORDS + length]
    return PADDING if padding else UNKNOWN


@compiled
def _scan(  # noqa: PLR0917 - numba's functions are called by position
    words: Any, headers: Any, fields: Any, window: Any, sample_width: Any, unconnected: Any
) -> Any:
    """Copy the headers of records; return the number of records with each fault, and the first.

    A record counts for the first fault found. `words` are the records as 16-bit words, `headers`
    the words of their headers, to be filled, and `fields` the fields of these.
    """
    time, length, dt, channel, pulse_length, record_i = fields
    n_samples = words.shape[1] - HEADER_WORDS
    found = np.zeros((N_KINDS, 2), np.int64)
    front = np.full(2**16, -(2**62), np.int64)
    for i in range(len(words)):
        for j in range(HEADER_WORDS):
            headers[i, j] = words[i, j]
        c = np.uint16(channel[i])
        fragment = np.int64(record_i[i])
        left = pulse_length[i] - fragment * n_samples
        kind = UNKNOWN
        if dt[i] == UNKNOWN or (sample_width[c] != dt[i] and unconnected[c] != dt[i]):
            kind = CHANNEL if sample_width[c] == UNKNOWN else WIDTH
        elif length[i] < 1 or fragment < 0 or length[i] != min(left, n_samples):
            kind = LENGTH
        elif time[i] < window[0] or time[i] >= window[1]:
            kind = WINDOW
        else:
            kind = _wrong_samples(words, i, length[i])
            if kind == UNKNOWN and time[i] < front[c]:
                kind = BACK
            front[c] = max(front[c], time[i])
        if kind != UNKNOWN:
            if found[kind, 0] == 0:
                found[kind, 1] = i
            found[kind, 0] += 1
    return found


def check(
    records: Records,
    file: Path,
    *,
    window: tuple[int, int],
    channels: Channels,
    may_roll_over: bool,
    findings: Findings,
    chunk: int,
) -> Records | None:
    """Check a file's records; return their headers, or None if they are unusable.

    Their times must lie in `window`, in ns, with its end excluded. `may_roll_over` tells whether
    the run is long enough for a short clock to roll over.
    """
    if not len(records):
        return np.empty(0, HEADER)
    words = records.view(np.uint16).reshape(len(records), -1)
    headers = np.empty(len(records), HEADER)
    n_samples = records.dtype["data"].shape[0]
    found = _scan(
        words,
        headers.view(np.uint16).reshape(len(records), -1),
        fields(headers),
        window,
        channels.sample_width,
        channels.unconnected,
    )
    if not found[:, 0].any():
        return headers
    header_kinds = found[: WINDOW + 1, 0]
    is_mixed = header_kinds[[LENGTH, WINDOW]].any() and np.count_nonzero(header_kinds) > 1
    if is_mixed and GARBAGE * header_kinds.sum() >= len(records):
        kind = LENGTH
    else:
        (kinds,) = np.nonzero(found[:, 0])
        kind = int(kinds[np.argmin(found[kinds, 1])])
    n_wrong, first = (int(number) for number in found[kind])
    record = records[first]
    if kind == BACK and may_roll_over and n_wrong > ROLLED_OVER * len(records):
        kind = ROLLOVER
    rule, severity, what = _explain(kind, record, n_samples, window, channels)
    more = f" ({n_wrong} records like this)" if n_wrong > 1 else ""
    findings.add(
        rule,
        f"in {file} {what}{more}",
        severity=severity,
        lost_ns=None if severity is REJECT else 0,
        lost_records=len(records) if severity is REJECT else 0,
        chunk=chunk,
    )
    return None if severity is REJECT else headers


def fields(headers: Records) -> tuple[Any, ...]:
    """Return the fields that compiled functions check: all except the baseline."""
    return tuple(headers[name] for name in FIELDS)


def _explain(
    kind: int, record: Any, n_samples: int, window: tuple[int, int], channels: Channels
) -> tuple[str, Severity, str]:
    """Return the rule, the severity and a description of the fault in a record."""
    channel, time, dt = int(record["channel"]), int(record["time"]), int(record["dt"])
    rule, severity = "T4", REJECT
    if kind == CHANNEL:
        rule, what = "T19", f"a record belongs to channel {channel}, but {channels}"
    elif kind == WIDTH:
        name = list(channels.ranges)[channels.output[channel]]
        rule = "T27"
        what = (
            f"a record of channel {channel} has {dt} ns per sample, expected "
            f"{channels.sample_width[channel]} ns for {name} ({channels})"
        )
    elif kind == LENGTH:
        rule = "T5"
        what = (
            f"record {record['record_i']} of a pulse of {record['pulse_length']} samples has "
            f"{record['length']} samples, with {n_samples} per record"
        )
    elif kind == WINDOW:
        rule = "T24" if time < 0 else "T22"
        what = f"a record starts at {time} ns, expected {window[0]} to {window[1]}"
        shifted = (time + CLOCK_ROLLOVER, time - CLOCK_ROLLOVER)
        if dt == SHORT_CLOCK and any(window[0] <= one < window[1] for one in shifted):
            rule, what = "T23", f"{what}: 21.47 s apart, the rollover of channel {channel}"
    elif kind == SAMPLES:
        what = f"a record of channel {channel} at {time} ns has samples over 14 bits"
    elif kind == PADDING:
        what = f"a record of channel {channel} at {time} ns has samples beyond its length"
    else:
        what = f"times of channel {channel} go back to {time} ns"
        if kind == ROLLOVER and dt == SHORT_CLOCK:
            rule = "T23"
        else:
            severity = DEGRADED
    return rule, severity, what
