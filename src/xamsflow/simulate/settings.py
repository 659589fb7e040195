"""The settings of a simulated run, checked."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from xamsflow.base.errors import ConfigurationError
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.settings.detector import Detector
from xamsflow.simulate.led_light import LedLight
from xamsflow.simulate.xenon import Physics
from xamsflow.state import layout

LENGTH_STEP = 10
"""Pulse lengths are multiples of this number of samples, the unit of the event-size register."""

THRESHOLD = 30
"""ADC counts from the baseline; a larger deviation opens a pulse."""

PRE_TRIGGER = 48
"""Usual number of samples before the threshold crossing (register 8038 is 0xC, in units of 4)."""

MAX_PULSE_LENGTH = 10_000
MAX_S2_WIDTH = 20_000.0
MIN_PART = 1e-3
"""s; parts must not be shorter than the longest pulse."""

MAX_NOISE = 5.0
"""ADC counts rms; above it, noise alone would cross the threshold, which is not simulated."""

INTEGERS = "int32", "int64", "double"

MAX_RECORDS_PER_PULSE = 32_767
"""The maximum of a record's 16-bit `record_i`."""


@dataclass(frozen=True)
class SimulatedRun:
    """A run to simulate. Equal settings always give the same bytes.

    `duration`, `chunk_length` and `chunk_overlap` are in s, `rate` is in Hz per channel, `noise` is
    the rms in ADC counts. `threads` is the number per reader; None omits it from the run document,
    and redax then uses 8. The last `idle_threads` of them get no data; the first
    `board_fail_threads` of these get the packet of a failed board, which leaves only a file in
    ``THE_END``. `fragment_payload` is in bytes (two per sample), stored as `integers` ("int32",
    "int64" or "double"): redax reads only 32-bit integers and uses its default for the others.
    `pulse_length` is in samples, and so is `pre_trigger`, the recorded time before a pulse crosses
    the threshold (with `physics` only). Without `own_baseline`, V1725 and V1730 write 0 like V1724.
    There are no pulses in `silence`, given as start and end in s.
    `long_fraction` is the share of pulses that last some 10 % longer because a second one follows,
    `s2_fraction` the share of events that are long S2-like pulses with a standard deviation around
    `s2_width` (ns). `border_pulses` places a pulse of each channel across every chunk boundary.
    With `physics`, signals come from the simulated xenon instead of `rate`, `long_fraction`,
    `s2_fraction` and `s2_width`; `border_pulses` then places S2s across the borders.
    With `led`, an external trigger reads out all channels, for `pulse_length` samples each.
    `buffered_chunks` is redax's strax_buffer_num_chunks: it delays a run that is being taken, and
    determines which overlaps of a quiet run are lost. A share `late_fraction` of all read-out
    batches is late by `late_chunks` chunks; redax then overwrites what it has already written.

    With `physics` only: `threshold` is in ADC counts. Baselines and gains are those of the run
    `electronics_of` (None: of this run, by chance), plus `baseline_steps` (ADC counts) and times
    `gain_factors`, both by channel.
    Raises ConfigurationError for impossible values.
    """

    number: int
    detector: Detector
    start: datetime = datetime(2026, 1, 5, 12, 0, 0, 797_000, tzinfo=UTC)
    duration: float = 12.0
    rate: float = 400.0
    noise: float = 2.0
    seed: int = 0
    readers: int = 1
    threads: int | None = 1
    idle_threads: int = 0
    board_fail_threads: int = 0
    compressor: str = "lz4"
    chunk_length: float = 5.0
    chunk_overlap: float = 0.5
    fragment_payload: int = 220
    integers: str = "int32"
    pulse_length: int = 500
    pre_trigger: int = PRE_TRIGGER
    threshold: int = THRESHOLD
    own_baseline: bool = True
    long_fraction: float = 0.001
    s2_fraction: float = 0.0
    s2_width: float = 1000.0
    border_pulses: bool = False
    silence: tuple[float, float] = (0.0, 0.0)
    late_fraction: float = 0.0
    late_chunks: float = 0.0
    buffered_chunks: int = 3
    mode: str | None = None
    electronics_of: int | None = None
    baseline_steps: tuple[tuple[int, float], ...] = ()
    gain_factors: tuple[tuple[int, float], ...] = ()
    physics: Physics | None = None
    led: LedLight | None = None

    def __post_init__(self) -> None:
        layout.run_id(self.number)
        if self.start.tzinfo is None:
            raise self._wrong("start", "a time with its time zone")
        self._check_range("duration", 1e-6, 1e6)
        self._check_range("rate", 0, 1e5)
        self._check_range("noise", 0, 1e3)
        self._check_range("seed", 0, 2**63)
        self._check_range("readers", 1, 100)
        self._check_range("n_threads", 1, 100)
        self._check_range("idle_threads", 0, self.n_threads)
        self._check_range("board_fail_threads", 0, self.idle_threads)
        if self.integers not in INTEGERS:
            raise self._wrong("integers", ", ".join(INTEGERS))
        self._check_range("late_fraction", 0, 1)
        self._check_range("late_chunks", 0, 1e4)
        self._check_range("chunk_length", MIN_PART, 1e4)
        self._check_range("chunk_overlap", MIN_PART, 1e4)
        self._check_range("fragment_payload", 4, 60_000)
        if self.fragment_payload % 4:
            raise self._wrong("fragment_payload", "a multiple of 4 bytes")
        self._check_range("pulse_length", 2 * LENGTH_STEP + self.pre_trigger, MAX_PULSE_LENGTH)
        if self.pulse_length % LENGTH_STEP:
            raise self._wrong("pulse_length", f"a multiple of {LENGTH_STEP} samples")
        self._check_range("pre_trigger", 4, 400)
        self._check_range("threshold", 1, 10_000)
        self._check_range("long_fraction", 0, 1)
        self._check_range("s2_fraction", 0, 1)
        self._check_range("s2_width", 1, MAX_S2_WIDTH)
        self._check_range("buffered_chunks", 0, 1000)
        longest = self.pulse_length + 300 + 5 * self.s2_width
        if longest / self.record_length > MAX_RECORDS_PER_PULSE:
            raise self._wrong("fragment_payload", "more, for pulses as long as these")
        if self.physics is not None:
            self._check_range("noise", 0, MAX_NOISE)
            self._check_range("fragment_payload", 96, 60_000)

    @property
    def run_id(self) -> str:
        """The name of the run's folder."""
        return layout.run_id(self.number)

    @property
    def n_threads(self) -> int:
        """Threads of each reader."""
        if self.threads is None or self.integers != "int32":
            return rundoc.DEFAULT_THREADS
        return self.threads

    @property
    def record_length(self) -> int:
        """Samples per record."""
        if self.integers != "int32":
            return rundoc.DEFAULT_PAYLOAD_BYTES // 2
        return self.fragment_payload // 2

    @property
    def framing(self) -> str:
        """The framing of files, lz4 or blosc: redax treats any other name as lz4."""
        return "blosc" if self.compressor == "blosc" else "lz4"

    @property
    def duration_ns(self) -> int:
        """The duration of data taking, ns."""
        return round(self.duration * NS_PER_S)

    @property
    def chunk_ns(self) -> int:
        """The duration of a chunk's main part, ns."""
        return round(self.chunk_length * NS_PER_S)

    @property
    def period_ns(self) -> int:
        """The time from one chunk to the next, ns: main part and overlap."""
        return self.chunk_ns + round(self.chunk_overlap * NS_PER_S)

    def _check_range(self, name: str, lowest: float, highest: float) -> None:
        value = getattr(self, name)
        if not lowest <= value <= highest or math.isnan(value):
            raise self._wrong(name, f"{lowest:g} to {highest:g}")

    def _wrong(self, name: str, allowed: str) -> ConfigurationError:
        label = name.replace("_", " ")
        return ConfigurationError(
            f"simulated run {self.number}: {label} is {getattr(self, name)!r}, allowed: {allowed}"
        )
