"""Raw records of each of a detector's digitizers, from the live data of a finished run.

The reader is straxen's, with its options and its rules for dividing a run into chunks, but it works
for any detector file, and every lost record is counted and reported.

Lineage: all outputs of a detector share one lineage hash, which covers the plugin's class name and
version, the detector's name, its channels and its sample widths, but nothing that differs between
runs (times, readers, record length, compressor, folders). strax registers it under the plugin's
last output, the dead time. Raise ``__version__`` when the same live data result in different
records; a new straxen does not change the hash.

Times: a record's time is the run's start, in ns since the epoch, plus the digitizer's time. The run
document knows the start to the microsecond at best, and a microsecond is a whole number of samples
for every digitizer (2, 4 or 10 ns). All outputs, including chunk boundaries, are therefore shifted
by exactly the same offset and stay on their digitizer's sampling grid without rounding.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import strax
from immutabledict import immutabledict

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.data.ahead import one_ahead
from xamsflow.data.plugins.straxen_reader import DAQReader
from xamsflow.redax.findings import Findings
from xamsflow.redax.growing import Growing
from xamsflow.redax.reader import Format, Reader, Window
from xamsflow.redax.records import Channels, channel_map
from xamsflow.redax.rundoc import DEFAULT_BUFFERED_CHUNKS
from xamsflow.settings.detector import DEAD_TIME, Detector

CHECKS = (
    "each file is one complete lz4 frame or blosc buffer of whole records",
    "no folder and no thread's file is missing before the last one",
    "each thread has finished, and no file is unfinished",
    "each overlap equals its copy",
    "each record starts in its folder's window",
    "each record is of a channel and sample width of the detector",
    "each record has the length that its place in the pulse demands, and samples of 14 bits",
    "each pulse is complete, and those of a channel do not overlap",
    "no record is there twice",
    "no thread's part has far too few pulses",
    "data last as long as the run",
    "records on disk are the records stored",
)


@dataclass(frozen=True)
class _Selection:
    """The records of a window that belong to a chunk: their indices in order of time."""

    window: Window
    places: npt.NDArray[np.int64]

    @classmethod
    def all_of(cls, window: Window) -> "_Selection":
        return cls(window, np.arange(len(window)))

    def of_output(self, output: int) -> npt.NDArray[np.int64]:
        chosen: npt.NDArray[np.int64] = self.places[self.window.output[self.places] == output]
        return chosen


def raw_records(detector: Detector) -> type[DAQReader]:
    """Return the plugin that provides ``raw_records_<digitizer>`` and the detector's dead time.

    It reads a run that has ended, or, if `growing` is set, a run that is being taken.
    """
    digitizers = detector.digitizers
    channels = {d.name: [d.first_channel, d.last_channel - d.n_later] for d in digitizers}
    ranges = channel_map(
        {d.name: (d.first_channel, d.last_channel) for d in digitizers}, detector.dead_time_channel
    )
    widths = {d.name: d.sample_width for d in digitizers}
    options = (
        strax.Option(
            "detector",
            default=detector.name,
            help="Name of the detector; distinguishes runs of two detectors with equal numbers",
        ),
        strax.Option(
            "digitizer_channels",
            default=channels,
            help="First and last channel of each digitizer, without channels connected later",
        ),
        strax.Option("sample_widths", default=widths, help="ns per sample of each digitizer"),
        strax.Option(
            "dead_time_channel",
            default=detector.dead_time_channel,
            help="Channel of artificial dead time",
        ),
        strax.Option(
            "channel_map",
            default=ranges,
            track=False,
            infer_type=False,
            help="All channels by output, ascending, in the form that straxen's plugins expect",
        ),
        strax.Option(
            "max_digitizer_sampling_time",
            default=max(widths.values()),
            track=False,
            help="The largest of sample_widths",
        ),
        strax.Option(
            "run_end_time",
            default=0.0,
            track=False,
            help="End of the run, s since the epoch; limits the single chunk of a run without data",
        ),
        strax.Option(
            "daq_buffered_chunks",
            default=DEFAULT_BUFFERED_CHUNKS,
            track=False,
            help="Number of chunks that the DAQ buffers",
        ),
        strax.Option(
            "enabled_inputs",
            default=(),
            track=False,
            infer_type=False,
            help="Channel and ns per sample of each input that the DAQ may have read",
        ),
    )
    names = tuple(f"raw_records_{name}" for name in (*widths, DEAD_TIME))

    class RawRecords(_RawRecordsReader):
        detectors_ranges = ranges
        provides = names
        data_kind = immutabledict(zip(names, names, strict=True))
        # DAQ chunks are passed on as they are: joining them copies each record many times.
        rechunk_on_save = immutabledict.fromkeys(names, False)
        takes_config = immutabledict(
            {**DAQReader.takes_config, **{option.name: option for option in options}}
        )

    return RawRecords


class _RawRecordsReader(DAQReader):  # type: ignore[misc]
    __version__ = "1.1.0"
    # Chunks are read in sequence: each begins at the cut in the overlap before it.
    parallel = False
    # Knowing that samples have two bytes, blosc is faster than lz4 and files are smaller.
    compressor = "blosc"
    detectors_ranges: immutabledict[str, tuple[int, int]]
    growing: Growing | None = None
    """The source of chunks while the run is being taken."""

    def __init__(self) -> None:
        super().__init__()
        # strax writes the metadata again after each chunk and at the end, so the numbers counted
        # here during reading are stored with the records.
        self.quality: dict[str, Any] = {
            "records_on_disk": 0,
            "records_stored": 0,
            "records_lost": 0,
            "records_unconnected": 0,
            "empty_main_parts": [],
            "channels": [],
            "findings": [],
            "checks": list(CHECKS),
        }

    def metadata(self, run_id: str, data_type: str) -> dict[str, Any]:
        """Return strax's metadata with the quality facts added."""
        return {**super().metadata(run_id, data_type), "quality": self.quality}

    def setup(self) -> None:
        """Check all folders of the run before anything is made."""
        config = self.config
        folder = Path(config["daq_input_dir"])
        self.run_name = folder.name
        shortest = min(config["daq_chunk_duration"], config["daq_overlap_chunk_duration"])
        if shortest < config["safe_break_in_pulses"]:
            raise BadDataError(
                f"run {self.run_name}: strax_chunk_length or strax_chunk_overlap of the run "
                f"document is {shortest} ns, expected {config['safe_break_in_pulses']} or more"
            )
        super().setup()
        self.t0 = _epoch_ns(config["run_start_time"])
        self.safe_break = config["safe_break_in_pulses"]
        self.longest_record = config["record_length"] * self.dt_max
        self.record_dtype = self.dtype_for(self.provides[0])
        self.quality["record_bytes"] = self.record_dtype.itemsize
        self.ranges = self.detectors_ranges
        if config["channel_map"] != self.ranges:
            raise ConfigurationError(
                f"option channel_map is {dict(config['channel_map'])}, the detector has "
                f"{dict(self.ranges)}",
                "leave it out",
            )
        self.findings = Findings(self.run_name)
        self.quality["findings"] = self.findings.listed
        self.reader = Reader(
            folder,
            self._format(),
            Channels.of(config["detector"], self.ranges, config["sample_widths"], self.dt_max),
            self.findings,
            self.growing,
        )
        self.next_chunk = 0
        """The DAQ chunk to read next."""
        self.start = 0
        """The start of strax's next chunk, ns since the run's start."""
        self.left_over: list[_Selection] = []
        """Records after that time that have already been read."""

    def _format(self) -> Format:
        config = self.config
        duration = _epoch_ns(config["run_end_time"]) - self.t0
        return Format(
            readers=config["readout_threads"],
            compressor=config["daq_compressor"],
            record_length=config["record_length"],
            chunk_duration=config["daq_chunk_duration"],
            overlap_duration=config["daq_overlap_chunk_duration"],
            duration=duration if config["run_end_time"] else None,
            buffered_chunks=config["daq_buffered_chunks"],
            enabled_inputs=frozenset(config["enabled_inputs"]),
        )

    def iter(
        self, iters: Mapping[str, Iterator[strax.Chunk]], executor: Executor | None = None
    ) -> Iterator[Any]:
        """Yield chunks; each is read and decoded while the previous one is being processed.

        A run that is being taken is read without a thread, because a waiting thread cannot be
        stopped.
        """
        chunks = super().iter(iters, executor)
        yield from chunks if self.growing is not None else one_ahead(chunks, "reader")

    def is_ready(self, chunk_i: int) -> bool:
        """Return whether a chunk exists; a run without data has one empty chunk."""
        return self.reader.has(self.next_chunk) or chunk_i == self.next_chunk == 0

    def source_finished(self) -> bool:
        """Return True, because only finished runs are read."""
        return True

    def compute(self, chunk_i: int) -> dict[str, strax.Chunk]:  # noqa: ARG002 - strax passes it
        """Return a chunk of each output, up to a time at which the run can be cut.

        It consists of the main part of a DAQ chunk and its share of the overlaps on both sides. If
        an overlap has no pause for a cut, the chunk is extended by the next DAQ chunk.
        """
        if not self.reader.has(0):
            end = max(self.t0, _epoch_ns(self.config["run_end_time"]))
            result = self._split([], self.t0, end)
            self._count(result)
            return result
        taken, start, cut = self.left_over, self.start, None
        while cut is None:
            daq_chunk, self.next_chunk = self.next_chunk, self.next_chunk + 1
            taken = [*taken, _Selection.all_of(self.reader.main(daq_chunk))]
            overlap = self.reader.overlap(daq_chunk)
            if overlap is not None:
                taken = [*taken, _Selection.all_of(overlap)]
            cut = self._cut(taken, overlap, is_last=self.reader.is_last(daq_chunk))
            if cut is None:
                self.findings.add(
                    "T16",
                    f"no pause of {self.safe_break} ns between chunks {daq_chunk} and "
                    f"{self.next_chunk}, so they are stored as one chunk",
                    chunk=daq_chunk,
                )
        # Only the last window can be cut.
        last = taken[-1]
        before = last.window.time < cut
        self.left_over = [_Selection(last.window, last.places[~before])]
        self.start = cut
        taken = [*taken[:-1], _Selection(last.window, last.places[before])]
        result = self._split(taken, self.t0 + start, self.t0 + cut)
        self._count(result)
        return result

    def _cut(
        self, taken: Sequence[_Selection], overlap: Window | None, *, is_last: bool
    ) -> int | None:
        """Return a time at which no record is cut, by straxen's rules; None if there is none.

        `taken` has been read but not yet returned; at the run's end, all of it is returned.
        """
        data_end = max(selection.window.last_endtime for selection in taken)
        if overlap is None:
            return max(taken[-1].window.end, data_end)
        at_end: int = overlap.end - self.safe_break
        if data_end < at_end or (not len(overlap) and data_end <= at_end):
            return at_end
        if is_last:
            return max(overlap.end, data_end)
        # Records of the main part may extend into the overlap by the length of one record.
        reach = [selection.window.last_endtime for selection in taken[:-1]]
        busy = max(overlap.start + self.longest_record, *reach)
        busy_until = np.maximum.accumulate(np.concatenate([[busy], overlap.endtime]))
        (breaks,) = np.nonzero(overlap.time >= busy_until[:-1] + self.safe_break)
        # straxen checks only gaps between records; the one before the first is the last resort.
        chosen = breaks[breaks > 0][:1] if (breaks > 0).any() else breaks[:1]
        return int(overlap.time[chosen[0]]) if len(chosen) else None

    def _split(self, taken: Sequence[_Selection], start: int, end: int) -> dict[str, strax.Chunk]:
        """Copy the selected records, each to its output."""
        result = {}
        for output, name in enumerate(self.ranges):
            parts = [(selection.window, selection.of_output(output)) for selection in taken]
            data = np.empty(sum(len(chosen) for _, chosen in parts), self.record_dtype)
            filled = 0
            for window, chosen in parts:
                target = data[filled : filled + len(chosen)]
                records = window.records.view(self.record_dtype)
                # Any mode other than "clip" would first copy into a buffer.
                np.take(records, window.order[chosen], out=target, mode="clip")
                filled += len(chosen)
            data["time"] += self.t0
            data_type = f"raw_records_{name}"
            result[data_type] = self.chunk(start=start, end=end, data=data, data_type=data_type)
        return result

    def _count(self, result: dict[str, strax.Chunk]) -> None:
        quality, reader = self.quality, self.reader
        quality["records_stored"] += sum(map(len, result.values()))
        quality["records_on_disk"] = reader.n_records
        quality["records_unconnected"] = reader.n_unconnected
        if not reader.is_last(self.next_chunk - 1):
            return
        reader.finish()
        quality["empty_main_parts"] = reader.empty_main_parts
        quality["channels"] = reader.channels_with_data
        quality["records_lost"] = self.findings.lost_records
        expected = reader.n_records - reader.n_unconnected
        stored = quality["records_stored"]
        if expected != stored:
            self.findings.add(
                "balance",
                f"{expected} records on disk, {stored} stored",
                lost_records=expected - stored,
            )
        if self.growing is not None:
            self.growing.refuse_unless_clean(self.findings)


def _epoch_ns(seconds: float) -> int:
    """Return a time in ns; like the run document, a float is accurate to the microsecond."""
    return round(Fraction(seconds) * 1_000_000) * 1000
