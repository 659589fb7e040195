"""The contents of a run document, checked and in the units used for processing."""

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from bson.int64 import Int64

from xamsflow.base.errors import BadDataError
from xamsflow.redax import registers
from xamsflow.state import layout

NS_PER_S = 1_000_000_000

READER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
"""Names of readers: redax combines the host's name and a number, and uses them in file names."""

SAMPLE_WIDTHS = {"V1724": 10, "V1724_MV": 10, "f1724": 10, "V1725": 4, "V1730": 2}
"""ns by digitizer board type, with redax's names. Boards of other types send no data."""

# redax's defaults for missing and unreadable values. It reads only 32-bit integers: one stored in
# 64 bits or as a double counts as missing.
DEFAULT_THREADS = 8
DEFAULT_PAYLOAD_BYTES = 220
DEFAULT_BUFFERED_CHUNKS = 2
DEFAULT_CHUNK_S = 5.0
DEFAULT_OVERLAP_S = 0.5

# Limits that no DAQ exceeds. Larger values would not fit into strax's fields or into memory.
MAX_THREADS = 1024
MAX_PAYLOAD_BYTES = 65_532
"""strax counts the samples of a record in 15 bits; with more samples, hits would be lost."""
MAX_CHANNEL = 2**15 - 1
MAX_DURATION_S = 86_400
MAX_TIME_S = (1 << 63) // NS_PER_S - MAX_DURATION_S


@dataclass(frozen=True)
class Board:
    """A digitizer board in the configuration of the DAQ.

    `host` is the reader, or None if any reader may read the board. `channels` are global, by input;
    inputs without a channel are left out.
    """

    number: int
    type: str
    host: str | None
    channels: tuple[int, ...]

    @property
    def sample_width(self) -> int:
        """ns per sample."""
        return SAMPLE_WIDTHS[self.type]


@dataclass(frozen=True)
class Run:
    """A run as its document describes it.

    Times are ns since the epoch; `start` keeps the fraction of a second, `end` is None while the
    run is being taken. `readers` maps a reader's name to its number of threads. `rate` is the
    average in MB/s that the DAQ read from the digitizers, None if unknown. Durations of chunks and
    overlaps are ns, `record_length` is in samples. `pre_triggers` are samples by board, for the
    boards in the document. `buffered_chunks` is the number of chunks that redax buffers. `boards`
    are the digitizers.
    """

    number: int
    mode: str
    start: int
    end: int | None
    tags: tuple[str, ...]
    readers: Mapping[str, int]
    compressor: str
    record_length: int
    chunk_duration: int
    overlap_duration: int
    boards: tuple[Board, ...]
    rate: float | None = None
    pre_triggers: Mapping[int, int] = field(default_factory=dict)
    buffered_chunks: int = DEFAULT_BUFFERED_CHUNKS

    @property
    def enabled_inputs(self) -> frozenset[tuple[int, int]]:
        """Channel and sample width (ns) of every input that redax may have read."""
        return frozenset(
            (channel, board.sample_width) for board in self.boards for channel in board.channels
        )


def parse(document: Mapping[str, Any]) -> Run:
    """Read a run document in the form that pymongo returns.

    Raises BadDataError naming the run, the field, the value found and the expected one.
    """
    number = whole(document.get("number"))
    if number is None or not layout.is_run_number(number):
        raise BadDataError(
            f"run document without a run number: number is {_short(document.get('number'))}",
            f"it must be a whole number from 0 to {layout.HIGHEST_RUN}",
        )
    fields = _Fields(f"run {number:06d}", document)
    daq_config = fields.section("daq_config")
    payload = daq_config.int32("strax_fragment_payload_bytes", DEFAULT_PAYLOAD_BYTES)
    if not 0 < payload <= MAX_PAYLOAD_BYTES or payload % 4:
        allowed = f"a multiple of 4 bytes, up to {MAX_PAYLOAD_BYTES}"
        raise daq_config.wrong("strax_fragment_payload_bytes", allowed)
    boards = _boards(daq_config)
    return Run(
        number=number,
        mode=fields.value("mode", str, "text", default=""),
        start=_time(fields, "start"),
        end=None if document.get("end") is None else _time(fields, "end"),
        tags=tag_names(document),
        readers=_readers(daq_config, boards),
        compressor="blosc" if daq_config.get("compressor") == "blosc" else "lz4",
        record_length=payload // 2,
        chunk_duration=_duration(daq_config, "strax_chunk_length", DEFAULT_CHUNK_S),
        overlap_duration=_duration(daq_config, "strax_chunk_overlap", DEFAULT_OVERLAP_S),
        boards=boards,
        rate=_rate(document),
        buffered_chunks=daq_config.int32("strax_buffer_num_chunks", DEFAULT_BUFFERED_CHUNKS),
        pre_triggers=registers.pre_triggers(
            document["daq_config"].get("registers"), [board.number for board in boards]
        ),
    )


def whole(value: Any) -> int | None:
    """Return a whole number, even if stored as a double; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def to_json(document: Any) -> Any:
    """Return a run document, or part of one, as extended JSON, which preserves BSON types."""
    return json.loads(json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS))


def from_json(data: Any) -> dict[str, Any]:
    """Return a run document written by :func:`to_json` or exported by MongoDB.

    Raises BadDataError if the text is not the extended JSON of a document.
    """
    options = json_util.JSONOptions(
        tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )
    try:
        document = json_util.loads(json.dumps(data), json_options=options)
    except (BSONError, TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise BadDataError(
            f"the run document is not extended JSON ({error})", "export it again with mongoexport"
        ) from error
    if not isinstance(document, dict):
        raise BadDataError(f"the run document is {_short(document)}, expected a document")
    return document


class _Fields:
    """A section of the run document; its errors name the run and the field."""

    def __init__(self, name: str, section: Mapping[str, Any], prefix: str = "") -> None:
        self.name = name
        self._section = section
        self._prefix = prefix

    def wrong(self, key: str, expected: str) -> BadDataError:
        return BadDataError(
            f"{self.name}: {self._prefix}{key} of the run document is "
            f"{_short(self._section.get(key))}, expected {expected}"
        )

    def value(self, key: str, kind: type, expected: str, default: Any = None) -> Any:
        value = self._section.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(key, expected)
        return value

    def get(self, key: str) -> Any:
        return self._section.get(key)

    def int32(self, key: str, default: int) -> int:
        """Return an integer as redax reads it."""
        value = self._section.get(key)
        return value if _is_int32(value) else default

    def double(self, key: str, default: float) -> float:
        """Return a number as redax reads it: it accepts integers of any size here."""
        value = self._section.get(key)
        if isinstance(value, float):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return float(value)
        return default

    def section(self, key: str) -> "_Fields":
        value = self._section.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a document")
        return _Fields(self.name, value, f"{self._prefix}{key}.")


def _is_int32(value: Any) -> TypeGuard[int]:
    is_integer = isinstance(value, int) and not isinstance(value, bool | Int64)
    return is_integer and -(2**31) <= value < 2**31


def _short(value: Any) -> str:
    found = repr(value)
    return found if len(found) <= 80 else found[:77] + "..."


def _time(fields: _Fields, key: str) -> int:
    """Return a date in ns since the epoch."""
    time: datetime = fields.value(key, datetime, "a date")
    # pymongo returns naive datetimes by default; they are in UTC.
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    whole_s = int(aware.replace(microsecond=0).timestamp())
    if not 0 <= whole_s < MAX_TIME_S:
        raise fields.wrong(key, "a date from 1970 to 2261")
    return whole_s * NS_PER_S + aware.microsecond * 1000


def _duration(daq_config: _Fields, key: str, default: float) -> int:
    """Return a duration in ns, truncated to whole ns exactly as by redax."""
    seconds = daq_config.double(key, default)
    if not 1 / NS_PER_S <= seconds <= MAX_DURATION_S:
        raise daq_config.wrong(key, f"a time above 0 s, up to {MAX_DURATION_S} s")
    return int(seconds * 1e9)


def _readers(daq_config: _Fields, boards: Iterable[Board]) -> Mapping[str, int]:
    """Return the number of threads of each reader that may have read a digitizer.

    A reader without an entry in ``processing_threads`` has the default number of threads.
    """
    threads, hosts = (
        section if isinstance(section, dict) else {}
        for section in map(daq_config.get, ("processing_threads", "detectors"))
    )
    names = {*threads, *(board.host for board in boards if board.host is not None)}
    if not names or any(board.host is None for board in boards):
        names |= hosts.keys()
    result = {}
    for name in sorted(names):
        if not READER.fullmatch(name):  # the name is part of file names
            raise daq_config.wrong("processing_threads", "names of readers as keys")
        # redax interprets a dot as the path to a subsection, and finds nothing there.
        given = None if "." in name else threads.get(name)
        n_threads = given if _is_int32(given) else DEFAULT_THREADS
        if not 1 <= n_threads <= MAX_THREADS:
            raise BadDataError(
                f"{daq_config.name}: daq_config.processing_threads.{name} of the run document is "
                f"{_short(given)}, expected a number of threads, 1 to {MAX_THREADS}"
            )
        result[name] = n_threads
    if not result:
        raise daq_config.wrong("processing_threads", "one reader or more")
    return result


def _boards(daq_config: _Fields) -> tuple[Board, ...]:
    boards = daq_config.value("boards", list, "a list", default=[])
    channels = daq_config.get("channels")
    result = []
    for board in boards:
        kind = board.get("type") if isinstance(board, dict) else None
        if not isinstance(kind, str):
            raise daq_config.wrong("boards", "a list of boards, each with its type")
        if kind not in SAMPLE_WIDTHS:
            continue
        number = whole(board.get("board"))
        if number is None:
            raise daq_config.wrong("boards", "a board number for each digitizer")
        host = board.get("host")
        inputs = channels.get(str(number)) if isinstance(channels, dict) else None
        result.append(
            Board(
                number,
                kind,
                host if isinstance(host, str) else None,
                # redax looks up the channel of an input only if data arrive from it.
                tuple(
                    channel
                    for channel in (inputs if isinstance(inputs, list) else ())
                    if _is_int32(channel) and 0 <= channel <= MAX_CHANNEL
                ),
            )
        )
    return tuple(result)


def tag_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a run's tags, including those that a person entered as plain text."""
    found = document.get("tags")
    tags = found if isinstance(found, list) else [found]
    names = (tag.get("name") if isinstance(tag, dict) else tag for tag in tags)
    # BSON code is a text type too, but does not compare or hash like text.
    return tuple(name for name in names if type(name) is str)


def _rate(document: Mapping[str, Any]) -> float | None:
    """Return the sum over detectors; as it is used only for a check, invalid values are ignored."""
    rates = document.get("rate")
    if not isinstance(rates, dict):
        return None
    averages = [rate.get("avg") for rate in rates.values() if isinstance(rate, dict)]
    numbers = [
        float(average)
        for average in averages
        if isinstance(average, int | float)
        and not isinstance(average, bool)
        and math.isfinite(average)
    ]
    return sum(numbers) if numbers else None


def document_id(document: Mapping[str, Any]) -> str | None:
    """Return MongoDB's unique identifier of the document, or None if it has none."""
    found = document.get("_id")
    return None if found is None else str(found)


def start_time(document: Mapping[str, Any]) -> str | None:
    """Return a run's start in UTC as text, or None if there is none."""
    start = document.get("start")
    if not isinstance(start, datetime):
        return None
    aware = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")


def live_location(document: Mapping[str, Any], not_on: Collection[str | None] = ()) -> str | None:
    """Return the folder in the DAQ's live entry: the first one that is not on a host in `not_on`.

    Live data there are a copy. None if there is no such entry.
    """
    for entry in _live_entries(document):
        if entry.get("host") not in not_on:
            location = entry.get("location")
            return location if isinstance(location, str) and location else None
    return None


def live_locations(document: Mapping[str, Any], host: str) -> list[str]:
    """Return the folders in all live entries of a host, each once."""
    found = [
        entry.get("location") for entry in _live_entries(document) if entry.get("host") == host
    ]
    return list(dict.fromkeys(one for one in found if isinstance(one, str) and one))


def _live_entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = document.get("data")
    listed = entries if isinstance(entries, list) else []
    return [one for one in listed if isinstance(one, dict) and one.get("type") == "live"]
