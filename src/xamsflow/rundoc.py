"""What the run document says of a run, checked and in the units that processing uses."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from bson import json_util

from xamsflow.errors import BadDataError

NS_PER_S = 1_000_000_000


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
    Durations of chunk and overlap are ns, `record_length` is in samples.
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


def parse(document: Mapping[str, Any]) -> Run:
    """Read a run document as pymongo returns it.

    Raises BadDataError naming the run, the field, what was found and what is expected.
    """
    number = document.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 999_999:
        raise BadDataError(f"run document without a run number: number is {number!r}")
    fields = _Fields(f"run {number:06d}", document)
    daq_config = fields.section("daq_config")
    payload = daq_config.number("strax_fragment_payload_bytes", default=220)
    if isinstance(payload, float):
        payload = 220  # redax takes only integers, and its own default instead of anything else
    if payload <= 0 or payload % 4:
        raise daq_config.wrong("strax_fragment_payload_bytes", "a multiple of 4 bytes")
    compressor = daq_config.value("compressor", str, "text", default="lz4")
    if compressor not in ("lz4", "blosc"):
        raise daq_config.wrong("compressor", "lz4 or blosc")
    return Run(
        number=number,
        mode=fields.value("mode", str, "text", default=""),
        start=_ns(fields.value("start", datetime, "a date")),
        end=None if document.get("end") is None else _ns(fields.value("end", datetime, "a date")),
        tags=_tags(document),
        location=_live_location(document),
        readers=_readers(daq_config),
        compressor=compressor,
        record_length=int(payload) // 2,
        chunk_duration=_duration(daq_config, "strax_chunk_length", 5),
        overlap_duration=_duration(daq_config, "strax_chunk_overlap", Fraction(1, 2)),
        boards=_boards(daq_config),
        rate=_rate(document),
    )


def to_json(document: Any) -> Any:
    """Return a run document, or a part of one, as extended JSON, which keeps the types of BSON."""
    return json.loads(json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS))


def from_json(data: Any) -> dict[str, Any]:
    """Return the run document that :func:`to_json` or MongoDB's own export wrote."""
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    document: dict[str, Any] = json_util.loads(json.dumps(data), json_options=options)
    return document


class _Fields:
    """A section of the run document, with errors that name the run and the field."""

    def __init__(self, name: str, section: Mapping[str, Any], prefix: str = "") -> None:
        self._name = name
        self._section = section
        self._prefix = prefix

    def wrong(self, key: str, expected: str) -> BadDataError:
        found = repr(self._section.get(key))
        found = found if len(found) <= 80 else found[:77] + "..."
        return BadDataError(
            f"{self._name}: {self._prefix}{key} of the run document is {found}, "
            f"expected is {expected}"
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
        return _Fields(self._name, value, f"{self._prefix}{key}.")

    def items(self) -> list[tuple[str, Any]]:
        return list(self._section.items())


def _ns(time: datetime) -> int:
    # pymongo returns naive datetimes unless told otherwise; they are UTC.
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + aware.microsecond * 1000


def _duration(daq_config: _Fields, key: str, default: Any) -> int:
    seconds = daq_config.number(key, default)
    ns = round(Fraction(seconds) * NS_PER_S)
    if ns <= 0:
        raise daq_config.wrong(key, "a time above 0 s")
    return ns


def _readers(daq_config: _Fields) -> Mapping[str, int]:
    readers = daq_config.section("processing_threads")
    result = {}
    for name, threads in readers.items():
        if isinstance(threads, bool) or not isinstance(threads, int | float) or threads < 1:
            raise readers.wrong(name, "a number of threads, 1 or more")
        result[name] = int(threads)
    if not result:
        raise daq_config.wrong("processing_threads", "one reader or more")
    return result


def _boards(daq_config: _Fields) -> tuple[Board, ...]:
    channels = dict(daq_config.value("channels", dict, "a document", default={}))
    boards = daq_config.value("boards", list, "a list", default=[])
    try:
        return tuple(
            Board(
                number=int(board["board"]),
                type=str(board["type"]),
                host=str(board["host"]),
                channels=tuple(int(c) for c in channels.get(str(board["board"]), ())),
            )
            for board in boards
        )
    except (KeyError, TypeError, ValueError) as error:
        raise daq_config.wrong("boards", "a list of board, type and host") from error


def _tags(document: Mapping[str, Any]) -> tuple[str, ...]:
    tags = document.get("tags")
    if not isinstance(tags, list):
        return ()
    return tuple(
        tag["name"] for tag in tags if isinstance(tag, dict) and isinstance(tag.get("name"), str)
    )


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


def _live_location(document: Mapping[str, Any]) -> str | None:
    """Return the DAQ's own live entry's folder: the first one, copies are appended behind it."""
    entries = document.get("data")
    if not isinstance(entries, list):
        return None
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type") == "live":
            location = entry.get("location")
            return location if isinstance(location, str) and location else None
    return None
