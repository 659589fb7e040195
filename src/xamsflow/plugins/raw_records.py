"""Raw records of each digitizer of a detector, from the live data of a finished run.

The reader is straxen's, with its options and its rules for cutting a run into chunks, but made for
any detector file and for whole runs: nothing is waited for, and no record gets lost without being
counted and reported.

Lineage: all outputs of a detector share one lineage hash, over the plugin's class name and
version, the detector's name, its channels and its sample widths. What differs between runs
(times, readers, record length, compressor, folders) is not part of it. strax enters it under the
plugin's last output, which is the dead time. Raise ``__version__`` when the same live data give
other records than before; a new straxen does not change the hash.

Times: a record's time is the run's start, in ns since the epoch, plus the digitizer's own time.
The run document knows the start to the microsecond at best, and a microsecond is a whole number of
samples of every digitizer (2, 4 or 10 ns). So all outputs are moved by exactly the same offset,
chunk boundaries included, and stay on their digitizers' sampling grid without any rounding.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import strax
from immutabledict import immutabledict

from xamsflow.detector import Detector
from xamsflow.errors import BadDataError, ConfigurationError
from xamsflow.plugins import live_data
from xamsflow.plugins.live_data import Part, Records
from xamsflow.plugins.straxen_reader import ArtificialDeadtimeInserted, DAQReader

DEAD_TIME = "aqmon"
"""The name under which straxen's users look for artificial dead time: ``raw_records_aqmon``."""

CHECKS = (
    "each file is one complete lz4 frame or blosc buffer of whole records",
    "no folder and no thread's file is missing before the last one",
    "each overlap equals its copy",
    "each record starts in its folder's window",
    "each record is of a channel and sample width of the detector",
    "each record has the length that its place in the pulse demands",
    "no record is there twice",
    "records on disk are the records stored and the records lost",
)


UNKNOWN = -1


@dataclass(frozen=True)
class _Window:
    """Records that start in [start, end), in ns since the run's start.

    `order` sorts `records` by time and channel; what follows it is in that order. `output` is
    the place of a record's output in the channel map.
    """

    name: str
    start: int
    end: int
    records: Records
    order: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    endtime: npt.NDArray[np.int64]
    output: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def last_endtime(self) -> int:
        """The end of the record that ends last, or the window's start."""
        return int(self.endtime.max(initial=self.start))


@dataclass(frozen=True)
class _Overlap:
    """Where an overlap is cut; `left` and `right` are places in order of time.

    If `is_dead`, there was no pause to cut in, and records around the cut are in neither.
    """

    window: _Window
    break_time: int
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    is_dead: bool = False


@dataclass(frozen=True)
class _Selection:
    """Records of a window that belong to a chunk: their places in order of time."""

    window: _Window
    places: npt.NDArray[np.int64]

    def of_output(self, output: int) -> npt.NDArray[np.int64]:
        chosen: npt.NDArray[np.int64] = self.places[self.window.output[self.places] == output]
        return chosen


@dataclass(frozen=True)
class _Channels:
    """Output and sample width (ns) by channel, UNKNOWN where the detector has no such channel.

    There is an entry for each 16-bit pattern: a negative channel looks up its unsigned one.
    """

    output: npt.NDArray[np.int16]
    sample_width: npt.NDArray[np.int16]

    @classmethod
    def of(
        cls,
        ranges: Mapping[str, tuple[int, int]],
        sample_widths: Mapping[str, int],
        dead_time_width: int,
    ) -> "_Channels":
        output = np.full(2**16, UNKNOWN, np.int16)
        sample_width = np.full(2**16, UNKNOWN, np.int16)
        for i, (name, (first, last)) in enumerate(ranges.items()):
            output[first : last + 1] = i
            sample_width[first : last + 1] = sample_widths.get(name, dead_time_width)
        return cls(output, sample_width)


def raw_records(detector: Detector) -> type[DAQReader]:
    """Return the plugin that provides ``raw_records_<digitizer>`` and the detector's dead time."""
    digitizers = detector.digitizers
    channels = {d.name: [d.first_channel, d.last_channel] for d in digitizers}
    widths = {d.name: d.sample_width for d in digitizers}
    options = (
        strax.Option(
            "detector",
            default=detector.name,
            help="Name of the detector; keeps equal run numbers of two detectors apart",
        ),
        strax.Option(
            "digitizer_channels",
            default=channels,
            help="First and last channel of each digitizer, both included",
        ),
        strax.Option("sample_widths", default=widths, help="ns per sample of each digitizer"),
        strax.Option(
            "dead_time_channel",
            default=detector.dead_time_channel,
            help="Channel of artificial dead time",
        ),
        strax.Option(
            "channel_map",
            default=channel_map(channels, detector.dead_time_channel),
            track=False,
            infer_type=False,
            help="The channels above by output, ascending, as straxen's plugins expect them",
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
            help="End of the run, s since the epoch; limits the one chunk of a run without data",
        ),
    )
    names = tuple(f"raw_records_{name}" for name in (*widths, DEAD_TIME))

    class RawRecords(_RawRecordsReader):
        provides = names
        data_kind = immutabledict(zip(names, names, strict=True))
        # Chunks of the DAQ are kept: joining them copies each record many times.
        rechunk_on_save = immutabledict.fromkeys(names, False)
        takes_config = immutabledict(
            {**DAQReader.takes_config, **{option.name: option for option in options}}
        )

    return RawRecords


def channel_map(
    digitizer_channels: Mapping[str, Sequence[int]], dead_time_channel: int
) -> immutabledict[str, tuple[int, int]]:
    """Return first and last channel, both included, of each output, by ascending channel."""
    ranges = {name: (first, last) for name, (first, last) in digitizer_channels.items()}
    ranges[DEAD_TIME] = (dead_time_channel, dead_time_channel)
    return immutabledict(sorted(ranges.items(), key=lambda item: item[1]))


class _RawRecordsReader(DAQReader):  # type: ignore[misc]
    __version__ = "1.0.0"
    # Chunks are read one after the other: each begins where the overlap before it was cut.
    parallel = False

    def __init__(self) -> None:
        super().__init__()
        # strax writes the metadata again with each chunk and when it closes the data, so what is
        # counted here while reading is stored beside the records.
        self.quality: dict[str, Any] = {
            "records_on_disk": 0,
            "records_stored": 0,
            "records_lost": 0,
            "dead_time_ns": 0,
            "empty_main_parts": [],
            "ignored_folders": [],
            "findings": [],
            "checks": list(CHECKS),
        }

    def metadata(self, run_id: str, data_type: str) -> dict[str, Any]:
        """Return strax's metadata and, with them, the quality facts."""
        return {**super().metadata(run_id, data_type), "quality": self.quality}

    def setup(self) -> None:
        """Look at all folders of the run before anything is made."""
        config = self.config
        folder = Path(config["daq_input_dir"])
        self.run_name = folder.name
        shortest = min(config["daq_chunk_duration"], config["daq_overlap_chunk_duration"])
        if shortest < config["safe_break_in_pulses"]:
            raise BadDataError(
                f"run {self.run_name}: strax_chunk_length or strax_chunk_overlap of the run "
                f"document is {shortest} ns, expected is {config['safe_break_in_pulses']} or more"
            )
        super().setup()
        self.t0 = _epoch_ns(config["run_start_time"])
        self.safe_break = config["safe_break_in_pulses"]
        self.longest_record = config["record_length"] * self.dt_max
        self.record_dtype = self.dtype_for(self.provides[0])
        self.ranges = channel_map(config["digitizer_channels"], config["dead_time_channel"])
        if config["channel_map"] != self.ranges:
            raise ConfigurationError(
                f"option channel_map is {dict(config['channel_map'])}, the detector has "
                f"{dict(self.ranges)}",
                "leave it out",
            )
        self.channels = _Channels.of(self.ranges, config["sample_widths"], self.dt_max)
        self.live_data = live_data.survey(folder, config["readout_threads"])
        self.quality["ignored_folders"] += self.live_data.ignored
        self.overlap: _Overlap | None = None

    def is_ready(self, chunk_i: int) -> bool:
        """Return whether the chunk exists; a run without data has one, which is empty."""
        return chunk_i < max(1, self.live_data.n_chunks)

    def source_finished(self) -> bool:
        """Return True: only finished runs are read."""
        return True

    def compute(self, chunk_i: int) -> dict[str, strax.Chunk]:
        """Return a chunk of each output: the main part, and its share of the overlaps beside it."""
        if not self.live_data.n_chunks:
            end = max(self.t0, _epoch_ns(self.config["run_end_time"]))
            return self._split([], [], self.t0, end)
        period = self.config["daq_chunk_duration"] + self.config["daq_overlap_chunk_duration"]
        start = chunk_i * period
        end = start + self.config["daq_chunk_duration"]
        main = self._load(self.live_data.main[chunk_i], start, end)
        taken = [_Selection(main, np.arange(len(main)))]
        dead_times = []
        before, after = self.overlap, None
        if before is not None:
            taken.insert(0, _Selection(before.window, before.right))
            start = before.break_time
            if before.is_dead:
                dead_times.append((before.break_time, before.window.end))
        if self.live_data.post[chunk_i] is None:
            # Records that start in the last window may end behind it.
            end = max(end, main.last_endtime)
        else:
            after = self._load_overlap(chunk_i, end)
            taken.append(_Selection(after.window, after.left))
            end = after.break_time
            if after.is_dead:
                dead_times.append((end - self.longest_record, end))
        self.overlap = after
        result = self._split(taken, dead_times, self.t0 + start, self.t0 + end)
        self._count(main, after, dead_times, result)
        if chunk_i == self.live_data.n_chunks - 1:
            self._check_balance()
        return result

    def _load(self, part: Part, start: int, end: int) -> _Window:
        """Read and check a folder whose records start in [start, end)."""
        records = live_data.read_part(part, self.config["daq_compressor"], self.record_dtype)
        time = np.ascontiguousarray(records["time"])
        channel = np.ascontiguousarray(records["channel"])
        self._check_channels(part, records, channel)
        self._check_lengths(part, records)
        outside = np.flatnonzero((time < start) | (time >= end))
        if len(outside):
            raise self._bad(
                part,
                f"a record starts at {time[outside[0]]} ns, expected is {start} to {end}",
                "strax_chunk_length and strax_chunk_overlap of the run document may be wrong",
            )
        order = np.lexsort((channel, time))
        time, channel = time[order], channel[order]
        twice = np.flatnonzero((time[1:] == time[:-1]) & (channel[1:] == channel[:-1]))
        if len(twice):
            raise self._bad(
                part,
                f"channel {channel[twice[0]]} has two records at {time[twice[0]]} ns",
                "two runs may have been written into one folder",
            )
        return _Window(
            name=part.folder.name,
            start=start,
            end=end,
            records=records,
            order=order,
            time=time,
            endtime=strax.endtime(records)[order],
            output=self.channels.output[channel.view(np.uint16)],
        )

    def _check_channels(self, part: Part, records: Records, channel: npt.NDArray[np.int16]) -> None:
        expected = self.channels.sample_width[channel.view(np.uint16)]
        wrong = np.flatnonzero((expected != records["dt"]) | (expected == UNKNOWN))
        if not len(wrong):
            return
        record = records[wrong[0]]
        listed = ", ".join(
            f"{name} {first} to {last}" for name, (first, last) in self.ranges.items()
        )
        detector = self.config["detector"]
        if expected[wrong[0]] == UNKNOWN:
            raise self._bad(
                part,
                f"a record is of channel {record['channel']}, {detector} has {listed}",
                "correct the detector file, or choose the right detector",
            )
        name = list(self.ranges)[self.channels.output[record["channel"]]]
        raise self._bad(
            part,
            f"a record of channel {record['channel']} has {record['dt']} ns per sample, "
            f"{detector} has {expected[wrong[0]]} ns for {name} ({listed})",
            "correct the detector file, or choose the right detector",
        )

    def _check_lengths(self, part: Part, records: Records) -> None:
        n_samples = self.config["record_length"]
        length, fragment = records["length"], records["record_i"].astype(np.int64)
        left = records["pulse_length"] - fragment * n_samples
        wrong = np.flatnonzero(
            (length < 1) | (fragment < 0) | (length != np.minimum(left, n_samples))
        )
        if len(wrong):
            record = records[wrong[0]]
            raise self._bad(
                part,
                f"record {record['record_i']} of a pulse of {record['pulse_length']} samples has "
                f"{record['length']} samples, with {n_samples} per record",
                "strax_fragment_payload_bytes of the run document is wrong, or the file damaged",
            )

    def _load_overlap(self, chunk_i: int, end: int) -> _Overlap:
        """Read the overlap behind a chunk and find where to cut it, by straxen's rules."""
        post, pre = self.live_data.post[chunk_i], self.live_data.pre[chunk_i]
        assert post is not None
        window = self._load(post, end, end + self.config["daq_overlap_chunk_duration"])
        if pre is not None:
            live_data.check_copy(post, pre, self.config["daq_compressor"], self.record_dtype)
        everything = np.arange(len(window))
        at_end = window.end - self.safe_break
        if not len(window) or window.last_endtime < at_end:
            return _Overlap(window, at_end, left=everything, right=everything[:0])
        if chunk_i == self.live_data.n_chunks - 1:
            # No chunk follows that could take what is right of a break: there is nothing to cut.
            run_end = max(window.end, window.last_endtime)
            return _Overlap(window, run_end, left=everything, right=everything[:0])
        # Records of the main part may reach into the overlap by the length of one.
        busy_until = np.maximum.accumulate(
            np.maximum(window.endtime, window.start + self.longest_record)
        )
        breaks = 1 + np.flatnonzero(window.time[1:] >= busy_until[:-1] + self.safe_break)
        if len(breaks):
            i = breaks[0]
            return _Overlap(window, int(window.time[i]), left=everything[:i], right=everything[i:])
        kept = np.flatnonzero(window.endtime <= at_end)
        warnings.warn(
            f"run {self.run_name}: no pause of {self.safe_break} ns in {post.folder}, "
            f"{len(window) - len(kept)} records are lost and dead time is inserted around its end",
            ArtificialDeadtimeInserted,
            stacklevel=2,
        )
        return _Overlap(window, at_end, left=kept, right=everything[:0], is_dead=True)

    def _split(
        self,
        taken: Sequence[_Selection],
        dead_times: Sequence[tuple[int, int]],
        start: int,
        end: int,
    ) -> dict[str, strax.Chunk]:
        """Copy the records taken, each into its output."""
        result = {}
        for output, name in enumerate(self.ranges):
            parts = [(selection.window, selection.of_output(output)) for selection in taken]
            data = np.empty(sum(len(chosen) for _, chosen in parts), self.record_dtype)
            filled = 0
            for window, chosen in parts:
                target = data[filled : filled + len(chosen)]
                # Other modes than "clip" would first copy into a buffer.
                np.take(window.records, window.order[chosen], out=target, mode="clip")
                filled += len(chosen)
            if name == DEAD_TIME and dead_times:
                data = np.concatenate([data, self._dead_records(dead_times)])
                data = data[np.argsort(data["time"], kind="stable")]
            data["time"] += self.t0
            data_type = f"raw_records_{name}"
            result[data_type] = self.chunk(start=start, end=end, data=data, data_type=data_type)
        return result

    def _dead_records(self, dead_times: Sequence[tuple[int, int]]) -> Records:
        records = np.zeros(len(dead_times), self.record_dtype)
        start, end = np.array(dead_times).T
        records["time"] = start
        records["length"] = (end - start) // self.dt_max
        records["dt"] = self.dt_max
        records["channel"] = self.config["dead_time_channel"]
        return records

    def _count(
        self,
        main: _Window,
        after: _Overlap | None,
        dead_times: Sequence[tuple[int, int]],
        result: dict[str, strax.Chunk],
    ) -> None:
        self.quality["records_on_disk"] += len(main)
        self.quality["records_stored"] += sum(map(len, result.values())) - len(dead_times)
        self.quality["dead_time_ns"] += sum(end - start for start, end in dead_times)
        if after is not None:
            self.quality["records_on_disk"] += len(after.window)
            self.quality["records_lost"] += len(after.window) - len(after.left) - len(after.right)
        if not len(main):
            self.quality["empty_main_parts"].append(main.name)

    def _check_balance(self) -> None:
        on_disk, stored, lost = (
            self.quality[f"records_{where}"] for where in ("on_disk", "stored", "lost")
        )
        if on_disk != stored + lost:
            raise BadDataError(
                f"run {self.run_name}: {on_disk} records on disk, {stored} stored, {lost} lost in "
                "dead time; this is a mistake of the reader",
                "keep the live data and report it",
            )

    def _bad(self, part: Part, what: str, remedy: str) -> BadDataError:
        return BadDataError(f"run {self.run_name}: in {part.folder} {what}", remedy)


def _epoch_ns(seconds: float) -> int:
    """Return a time in ns; as a float it is good to the microsecond, like the run document."""
    return round(Fraction(seconds) * 1_000_000) * 1000
