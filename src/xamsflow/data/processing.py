"""Process a run's data types with strax, check the stored data, and return a receipt."""

import logging
import math
import os
import platform
import resource
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import strax

from xamsflow.base import clock, memory, system_errors
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    XamsflowError,
    causes,
)
from xamsflow.data import strax_private
from xamsflow.data.context import context, other, run_config
from xamsflow.data.plugins.settings import THREADS
from xamsflow.data.processor import Processor
from xamsflow.data.stored import Stored
from xamsflow.data.tap import Listener, tapped
from xamsflow.redax import plausibility, rundoc
from xamsflow.redax.findings import Findings, Verdict
from xamsflow.redax.growing import Growing
from xamsflow.redax.rundoc import Run
from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector
from xamsflow.state import layout, strax_folder
from xamsflow.state.receipts import Receipt

logger = logging.getLogger(__name__)

DOUBTFUL = "doubtful_baselines"
MAX_DOUBTFUL = 0.01
"""Maximum share of a channel's pulses with a doubtful baseline; a run above it is degraded."""

STORED_CHECKS = (
    "metadata complete, no exception recorded",
    "chunks touch one another",
    "each chunk file is there with the size that strax noted",
)


def process_run(
    *,
    document: Mapping[str, Any],
    detector: Detector,
    live_data: Path,
    processed: Path,
    data_type: str,
    threads: int = 1,
    other_context: str | None = None,
    on_stored: Callable[[Receipt], None] | None = None,
    on_chunk: Callable[[str, int], None] | None = None,
) -> Receipt:
    """Process a data type of a run and all its stored dependencies; return the receipt.

    `document` is the run document with datetimes, `live_data` the parent folder of the runs. Stored
    data are not computed again; unfinished data of an earlier attempt are. `threads` is the number
    of chunks computed at a time; reading and writing take place in additional threads.
    `other_context` names the function that returns the strax context, see
    :func:`xamsflow.data.context.other`; None selects the context of this project. All data types
    are computed in one pass. If this fails, they are computed one by one, the lowest first, so that
    the data types below the failing one are stored. `on_stored` is called with the receipt of each
    data type once it is stored and checked, `on_chunk` with the name of the data type and the
    number of DAQ chunks done.

    Raises ConfigurationError for an unknown data type or a folder that is not writable,
    BadDataError for damaged live or stored data, StillTakenError for a run without an end,
    ResourcesError if memory or disk space runs out, TransientError if live data cannot be read.
    """
    started = time.monotonic()
    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    if run.end is None:
        raise StillTakenError(f"run {run_id} is still being taken", "process it when it has ended")
    if run.end < run.start:
        raise BadDataError(
            f"run {run_id}: end of the run document is before its start", "correct the run document"
        )
    memory.keep_freed()
    with _plain_errors(run_id, data_type, processed):
        # The folder is made here because strax fails if another job makes it at the same moment.
        processed.mkdir(parents=True, exist_ok=True)
        make_context = context if other_context is None else other(other_context)
        strax_context = make_context(detector, processed, run_config(run, live_data / run_id))
        if other_context is None:
            strax_context.set_config({THREADS: threads})
            strax_private.keep_keys(strax_context)
        wanted = _folders(strax_context, run_id, data_type, processed)
        missing = [
            name
            for name, folder in wanted.items()
            # strax's check looks up every plugin; usually there is not even a folder.
            if not (folder.is_dir() and strax_context.is_stored(run_id, name))
        ]
        if missing:
            _check_writable(processed)
        stored: dict[str, dict[str, Any]] = {}
        for name, folder in wanted.items():
            if name not in missing:  # the other data types may depend on it
                stored[name] = _verify(run_id, name, folder)

    def receipt(name: str) -> Receipt:
        return _receipt(run, detector, name, stored, made=missing, started=started)

    def make(name: str, save: Sequence[str]) -> None:
        for end in _make(strax_context, run_id, name, save):
            if on_chunk is not None:
                on_chunk(name, _chunks_until(end, run))

    to_make = missing
    if data_type in missing:
        try:
            make(data_type, missing)
            to_make = []
        except Exception as error:  # the loop below meets it again, after storing what it can
            logger.warning(
                "one pass failed (%s), processing data types one by one", _first_line(error)
            )
    for name, folder in wanted.items():
        with _plain_errors(run_id, name, processed):
            # The same plugin may have computed it together with another data type.
            if name in to_make and not (folder.is_dir() and strax_context.is_stored(run_id, name)):
                make(name, [name])
            if name in missing:
                stored[name] = _verify(run_id, name, folder)
        if on_stored is not None:
            on_stored(receipt(name))
    return receipt(data_type)


def follow_run(
    *,
    document: Mapping[str, Any],
    detector: Detector,
    folder: Path,
    growing: Growing,
    processed: Path,
    data_type: str,
    threads: int = 1,
    on_chunk: Callable[[str, int], None] | None = None,
    on_data: Listener | None = None,
) -> None:
    """Process a data type and all its stored dependencies from a run that is being taken.

    The stored data are byte-for-byte identical to those of :func:`process_run`, which verifies them
    and writes their receipts after the run. If the run has any fault, nothing is stored. `growing`
    reads the run in `folder`; `document` is the run document as of the run's start. `on_data` is
    called with each chunk of each data type as it is computed; if it fails, it is not called again.
    Raises any XamsflowError.
    """
    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    memory.keep_freed()
    with _plain_errors(run_id, data_type, processed):
        processed.mkdir(parents=True, exist_ok=True)
        strax_context = context(detector, processed, run_config(run, folder), growing=growing)
        strax_context.set_config({THREADS: threads})
        save = to_be_stored(strax_context, run_id, data_type)
        _check_writable(processed)
        processor = Processor if on_data is None else tapped(on_data)
        for end in _make(strax_context, run_id, data_type, list(save), processor):
            if on_chunk is not None:
                on_chunk(data_type, _chunks_until(end, run))


def stored_receipt(
    *,
    document: Mapping[str, Any],
    detector: Detector,
    processed: Path,
    data_type: str,
    other_context: str | None = None,
) -> Receipt | None:
    """Return the receipt of a data type, or None unless it and all its dependencies are stored.

    Nothing is computed or written. Raises as :func:`process_run`.
    """
    started = time.monotonic()
    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    make_context = context if other_context is None else other(other_context)
    with _plain_errors(run_id, data_type, processed):
        strax_context = make_context(detector, processed, run_config(run, Path(run_id)))
        wanted = _folders(strax_context, run_id, data_type, processed)
        if not all(folder.is_dir() for folder in wanted.values()):
            return None
        stored = {name: _verify(run_id, name, folder) for name, folder in wanted.items()}
        return _receipt(run, detector, data_type, stored, made=(), started=started)


def _receipt(
    run: Run,
    detector: Detector,
    data_type: str,
    stored: Mapping[str, Mapping[str, Any]],
    *,
    made: Sequence[str],
    started: float,
) -> Receipt:
    facts = stored[data_type]
    return {
        "run_id": layout.run_id(run.number),
        "data_type": data_type,
        **{key: value for key, value in facts.items() if key not in ("lineage", "quality")},
        "stored": {
            name: {key: value for key, value in facts.items() if key != "quality"}
            for name, facts in stored.items()
        },
        "quality": _quality(run, detector, stored),
        "already_stored": not made,
        "made": list(made),
        "versions": dict(versions()),
        "host": socket.gethostname(),
        "time": clock.now().isoformat(),
        "wall_time_s": round(time.monotonic() - started, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of the software that determines the stored data."""
    packages = ("strax", "straxen", "numpy", "numba", "xamsflow")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def to_be_stored(
    strax_context: strax.Context, run_id: str, data_type: str
) -> dict[str, strax.DataKey]:
    """Return the data type and all related ones that strax always saves, lowest first.

    These are its dependencies and the other outputs of their plugins. The values are the keys under
    which strax stores them.
    """
    known = strax_context.tree
    if data_type not in known:
        raise ConfigurationError(
            f"data type {data_type!r} is unknown", f"the detector has {', '.join(sorted(known))}"
        )
    plugins = strax_private.plugins_of(strax_context, [data_type], run_id)
    saved = {
        name for name, plugin in plugins.items() if plugin.save_when[name] == strax.SaveWhen.ALWAYS
    }

    @cache
    def depth(name: str) -> int:
        return 1 + max((depth(below) for below in plugins[name].depends_on), default=0)

    # The requested output of a plugin comes first; its other outputs are computed with it.
    names = sorted(saved | {data_type}, key=lambda name: (depth(name), name != data_type, name))
    return {name: strax.DataKey(run_id, name, plugins[name].lineage) for name in names}


def _folders(
    strax_context: strax.Context, run_id: str, data_type: str, processed: Path
) -> dict[str, Path]:
    """Return the folder of each data type, lowest first."""
    keys = to_be_stored(strax_context, run_id, data_type)
    return {name: (processed / str(key)).absolute() for name, key in keys.items()}


def _make(
    strax_context: strax.Context,
    run_id: str,
    data_type: str,
    save: Sequence[str],
    processor: type[Processor] = Processor,
) -> Iterator[int]:
    """Process a data type, storing those in `save`; yield, by chunk, the end of the data so far."""
    yield 0
    chunks = strax_context.get_iter(
        run_id, data_type, save=tuple(save), processor=processor, progress_bar=False
    )
    for number, chunk in enumerate(chunks, start=1):
        yield chunk.end
        if number % memory.GIVE_BACK_EVERY == 0:
            memory.give_back_unused()


def _chunks_until(end: int, run: Run) -> int:
    """Return how many DAQ chunks started before a time in ns since the epoch."""
    period = run.chunk_duration + run.overlap_duration
    return max(0, math.ceil(Fraction(end - run.start, period)))


def _verify(run_id: str, data_type: str, folder: Path) -> dict[str, Any]:
    """Check stored data against strax's metadata; return the facts for the receipt."""
    if not folder.is_dir():
        raise BadDataError(
            f"run {run_id}: {data_type} was stored, but {folder} does not exist",
            "if it was moved, process the run again",
        )
    return strax_folder.check(folder)


def _findings(
    run: Run,
    detector: Detector,
    quality: Mapping[str, Any],
    stored: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return all findings on a run, including those from reading its raw records.

    The latter are stored with the raw records, so that later jobs have them too.
    """
    if "findings" not in quality:
        return {"findings": [], "verdict": Verdict.UNCHECKED.value}
    found = Findings(layout.run_id(run.number), listed=quality["findings"])
    raw = [f"raw_records_{one.name}" for one in detector.digitizers]
    n_records = quality["records_on_disk"]
    # Data stored before records were left out lack this number.
    on_disk = n_records - quality.get("records_unconnected", 0)
    if all(name in stored for name in raw):
        n_items = sum(stored[name]["n_items"] for name in raw)
        if n_items != on_disk:
            found.add("balance", f"{on_disk} records on disk, {n_items} stored")
    n_bytes = n_records * quality["record_bytes"]
    plausibility.check(run, detector, quality["channels"], n_bytes, found)
    for channel, counts in quality.get("baselines", {}).items():
        doubtful, n_pulses = counts["doubtful"], counts["pulses"]
        if doubtful > MAX_DOUBTFUL * n_pulses:
            found.add(
                "baseline",
                f"channel {channel}: {doubtful} of {n_pulses} pulses have no quiet samples before "
                "their rise, so their areas cannot be right",
            )
    return {"findings": found.listed, "verdict": found.verdict.value}


def _quality(
    run: Run, detector: Detector, stored: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the known facts on the quality of a run's data; gaps (ns) are times without chunks."""
    assert run.end is not None
    quality: dict[str, Any] = {"dead_time_ns": 0}
    for facts in stored.values():
        quality |= facts["quality"]
    quality |= _baselines(run, stored, detector)
    quality |= _findings(run, detector, quality, stored)
    quality["corrections"] = _corrections(run, stored, detector)
    start = min(facts["start"] for facts in stored.values())
    end = max(facts["end"] for facts in stored.values())
    gaps = [[run.start, min(start, run.end)], [max(end, run.start), run.end]]
    quality["gaps"] = [gap for gap in gaps if gap[0] < gap[1]]
    not_live = sum(last - first for first, last in quality["gaps"]) + quality["dead_time_ns"]
    quality["live_time_ns"] = run.end - run.start - not_live
    quality["checks"] = [*quality.get("checks", ()), *STORED_CHECKS]
    return quality


def _baselines(
    run: Run, stored: Mapping[str, Mapping[str, Any]], detector: Detector
) -> dict[str, Any]:
    """Return the number of pulses with a doubtful baseline, by channel of the stored groups."""
    groups = [detector.tpc.signals] if detector.tpc is not None else []
    baselines = {}
    for signals in (*groups, *detector.signals):
        name = f"pulse_counts{signals.suffix}"
        if name not in stored:
            continue
        path = Path(stored[name]["path"])
        with _plain_errors(layout.run_id(run.number), name, path):
            counts = np.concatenate([chunk.data for chunk in Stored(name, path).chunks()])
        if DOUBTFUL not in (counts.dtype.names or ()):  # made by plugins of another project
            continue
        n_pulses, doubtful = (counts[field].sum(axis=0) for field in ("pulse_count", DOUBTFUL))
        for channel, n, n_doubtful in zip(signals.channels, n_pulses, doubtful, strict=True):
            baselines[str(channel)] = {"pulses": int(n), "doubtful": int(n_doubtful)}
    return {"baselines": baselines} if baselines else {}


def _corrections(
    run: Run, stored: Mapping[str, Mapping[str, Any]], detector: Detector
) -> dict[str, Any]:
    """Return the origin of the correction-file values that were used for the data."""
    options: dict[str, Any] = {}
    for facts in stored.values():
        for _, _, of_plugin in facts["lineage"].values():
            options |= of_plugin
    used = {name: by_run for name, by_run in detector.corrections.items() if name in options}
    return corrections.provenances(used, run.number)


def _check_writable(processed: Path) -> None:
    # strax would compute the data and then discard them without an error.
    try:
        processed.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", processed, error) from error
    if not os.access(processed, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{processed} is not writable", "check its owner and mode")


@contextmanager
def _plain_errors(run_id: str, data_type: str, processed: Path) -> Iterator[None]:
    """Turn any exception from strax into an error that says what a person can do about it."""
    try:
        yield
    except Exception as error:
        for cause in causes(error):
            if isinstance(cause, XamsflowError):
                raise cause from (error if error is not cause else None)
            if memory.was_wanting(cause):
                raise ResourcesError(
                    f"run {run_id}: not enough memory to compute {data_type}{_where(error)}",
                    "start again with more memory",
                ) from error
            if isinstance(cause, OSError) and cause.errno is not None:
                raise system_errors.cannot("read or write", processed, cause) from error
        raise XamsflowError(
            f"run {run_id}: strax could not compute {data_type}{_where(error)} "
            f"({_first_line(error)})",
            "see the log for details",
        ) from error


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _where(error: BaseException) -> str:
    """Return the plugin and chunk at which strax failed, if the traceback shows them."""
    place = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        plugin, chunk = (frame.f_locals.get(name) for name in ("self", "chunk_i"))
        if isinstance(plugin, strax.Plugin) and isinstance(chunk, int):
            place = f" in chunk {chunk} of plugin {type(plugin).__name__}"
    return place
