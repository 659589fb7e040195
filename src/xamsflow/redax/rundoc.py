"""What the run document says of a run, checked and in the units that processing uses."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError

from xamsflow.base.errors import BadDataError
from xamsflow.redax import registers
from xamsflow.state import layout

NS_PER_S = 1_000_000_000

READER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
"""Names of readers, which redax makes of the host's name and a number; files are called by them."""

# What no DAQ exceeds. Above, numbers would not fit into strax's fields, or arrays into memory.
MAX_THREADS = 1024
MAX_PAYLOAD_BYTES = 1 << 20
MAX_DURATION_S = 86_400
MAX_TIME_S = (1 << 63) // NS_PER_S - MAX_DURATION_S


@dataclass(frozen=True)
class Board:
    """A digitizer board as the DAQ was configured; channels are global, by input."""

    number: int
    type: str
    host: str
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A run as its document describes it.

    Times are ns since the epoch; `start` keeps the fraction of a second, `end` is None while the
    run is being taken. `readers` maps a reader's name to its number of threads. `location` is the
    parent folder of the run's live data on the DAQ host, None where the document names none.
    `rate` is the average in MB/s that the DAQ read from the digitizers, None where it says none.
    Durations of chunk and overlap are ns, `record_length` is in samples. `pre_triggers` are samples
    by board, for boards of which the document tells.
    """

    number: int
    mode: str
    start: int
    end: int | None
    tags: tuple[str, ...]
    location: str | None
    readers: Mapping[str, int]
    compressor: str
    record_length: int
    chunk_duration: int
    overlap_duration: int
    boards: tuple[Board, ...]
    rate: float | None = None
    pre_triggers: Mapping[int, int] = field(default_factory=dict)


def parse(document: Mapping[str, Any]) -> Run:
    """Read a run document as pymongo returns it.

    Raises BadDataError naming the run, the field, what was found and what is expected.
    """
    number = whole(document.get("number"))
    if number is None or not layout.is_run_number(number):
        raise BadDataError(
            f"run document without a run number: number is {_short(document.get('number'))}",
            f"it must be whole, from 0 to {layout.HIGHEST_RUN}",
        )
    fields = _Fields(f"run {number:06d}", document)
    daq_config = fields.section("daq_config")
    payload = daq_config.number("strax_fragment_payload_bytes", default=220)
    if isinstance(payload, float):
        payload = 220  # redax takes only integers, and its own default instead of anything else
    if not 0 < payload <= MAX_PAYLOAD_BYTES or payload % 4:
        allowed = f"a multiple of 4 bytes, up to {MAX_PAYLOAD_BYTES}"
        raise daq_config.wrong("strax_fragment_payload_bytes", allowed)
    compressor = daq_config.value("compressor", str, "text", default="lz4")
    if compressor not in ("lz4", "blosc"):
        raise daq_config.wrong("compressor", "lz4 or blosc")
    return Run(
        number=number,
        mode=fields.value("mode", str, "text", default=""),
        start=_time(fields, "start"),
        end=None if document.get("end") is None else _time(fields, "end"),
        tags=tag_names(document),
        location=live_location(document),
        readers=_readers(daq_config),
        compressor=compressor,
        record_length=int(payload) // 2,
        chunk_duration=_duration(daq_config, "strax_chunk_length", 5),
        overlap_duration=_duration(daq_config, "strax_chunk_overlap", Fraction(1, 2)),
        boards=(boards := _boards(daq_config)),
        rate=_rate(document),
        pre_triggers=registers.pre_triggers(
            document["daq_config"].get("registers"), [board.number for board in boards]
        ),
    )


def whole(value: Any) -> int | None:
    """Return a whole number, also one that is stored as a double; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def to_json(document: Any) -> Any:
    """Return a run document, or a part of one, as extended JSON, which keeps the types of BSON."""
    return json.loads(json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS))


def from_json(data: Any) -> dict[str, Any]:
    """Return the run document that :func:`to_json` or MongoDB's own export wrote.

    Raises BadDataError for what is no extended JSON of a document.
    """
    options = json_util.JSONOptions(
        tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )
    try:
        document = json_util.loads(json.dumps(data), json_options=options)
    except (BSONError, TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise BadDataError(
            f"the run document is no extended JSON ({error})", "export it again with mongoexport"
        ) from error
    if not isinstance(document, dict):
        raise BadDataError(f"the run document is {_short(document)}, expected is a document")
    return document


class _Fields:
    """A section of the run document, with errors that name the run and the field."""

    def __init__(self, name: str, section: Mapping[str, Any], prefix: str = "") -> None:
        self.name = name
        self._section = section
        self._prefix = prefix

    def wrong(self, key: str, expected: str) -> BadDataError:
        return BadDataError(
            f"{self.name}: {self._prefix}{key} of the run document is "
            f"{_short(self._section.get(key))}, expected is {expected}"
        )

    def value(self, key: str, kind: type, expected: str, default: Any = None) -> Any:
        value = self._section.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(key, expected)
        return value

    def number(self, key: str, default: Any) -> Any:
        value = self._section.get(key)
        if value is None:
            return default
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.wrong(key, "a number")
        return value

    def section(self, key: str) -> "_Fields":
        value = self._section.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a document")
        return _Fields(self.name, value, f"{self._prefix}{key}.")

    def items(self) -> list[tuple[str, Any]]:
        return list(self._section.items())


def _short(value: Any) -> str:
    found = repr(value)
    return found if len(found) <= 80 else found[:77] + "..."


def _time(fields: _Fields, key: str) -> int:
    """Return a date in ns since the epoch."""
    time: datetime = fields.value(key, datetime, "a date")
    # pymongo returns naive datetimes unless told otherwise; they are UTC.
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    whole_s = int(aware.replace(microsecond=0).timestamp())
    if not 0 <= whole_s < MAX_TIME_S:
        raise fields.wrong(key, "a date from 1970 to 2261")
    return whole_s * NS_PER_S + aware.microsecond * 1000


def _duration(daq_config: _Fields, key: str, default: Any) -> int:
    seconds = daq_config.number(key, default)
    ns = round(Fraction(seconds) * NS_PER_S)
    if not 0 < ns <= MAX_DURATION_S * NS_PER_S:
        raise daq_config.wrong(key, f"a time above 0 s, up to {MAX_DURATION_S} s")
    return ns


def _readers(daq_config: _Fields) -> Mapping[str, int]:
    readers = daq_config.section("processing_threads")
    result = {}
    for name, threads in readers.items():
        if not READER.fullmatch(name):  # files are called by it
            raise daq_config.wrong("processing_threads", "names of readers as keys")
        if (
            isinstance(threads, bool)
            or not isinstance(threads, int | float)
            or not 1 <= threads <= MAX_THREADS
        ):
            raise readers.wrong(name, f"a number of threads, 1 to {MAX_THREADS}")
        result[name] = int(threads)
    if not result:
        raise daq_config.wrong("processing_threads", "one reader or more")
    return result


def _boards(daq_config: _Fields) -> tuple[Board, ...]:
    boards = daq_config.value("boards", list, "a list", default=[])
    try:
        named = [(int(board["board"]), str(board["type"]), str(board["host"])) for board in boards]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise daq_config.wrong("boards", "a list of board, type and host") from error
    channels = dict(daq_config.value("channels", dict, "a document", default={}))
    inputs: dict[int, tuple[int, ...]] = {}
    for number, _, _ in named:
        try:
            inputs[number] = tuple(int(channel) for channel in channels.get(str(number), ()))
        except (TypeError, ValueError, OverflowError) as error:
            raise _Fields(daq_config.name, channels, "daq_config.channels.").wrong(
                str(number), "a list of the board's channels"
            ) from error
    return tuple(Board(number, kind, host, inputs[number]) for number, kind, host in named)


def tag_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a run's tags, also of those that a person wrote as plain text."""
    found = document.get("tags")
    tags = found if isinstance(found, list) else [found]
    names = (tag.get("name") if isinstance(tag, dict) else tag for tag in tags)
    # BSON's code is a text too, but cannot be compared or hashed as one.
    return tuple(name for name in names if type(name) is str)


def _rate(document: Mapping[str, Any]) -> float | None:
    """Return the sum over detectors; it serves only as a check, so what is odd counts as none."""
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
    """Return what MongoDB tells a document from all others by, None where it has none."""
    found = document.get("_id")
    return None if found is None else str(found)


def start_time(document: Mapping[str, Any]) -> str | None:
    """Return a run's start in UTC, as text, None where there is none."""
    start = document.get("start")
    if not isinstance(start, datetime):
        return None
    aware = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")


def live_location(document: Mapping[str, Any]) -> str | None:
    """Return the DAQ's own live entry's folder: the first one, copies are appended behind it."""
    entries = document.get("data")
    if not isinstance(entries, list):
        return None
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type") == "live":
            location = entry.get("location")
            return location if isinstance(location, str) and location else None
    return None
