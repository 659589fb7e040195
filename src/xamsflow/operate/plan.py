"""Predict what the workflow would do with each run, without writing anything.

Jobs and resources come from Snakemake's dry run, stored data types from strax, and estimates of
time and size from the receipts of runs processed here.
"""

import contextlib
import shutil
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xamsflow.base import folders
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.redax import rundoc
from xamsflow.run import requests
from xamsflow.run.preview import Job
from xamsflow.rundb import run_document
from xamsflow.rundb.status import State, state
from xamsflow.settings import detector
from xamsflow.settings.config import Config
from xamsflow.state import layout, receipts
from xamsflow.transfer import Search, source
from xamsflow.transfer.nearest import Find, Found

LEARN_FROM = 200
"""Number of newest runs with receipts from which speeds and sizes are estimated."""

MB = 1e6

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Experience:
    """Medians over past runs; None if there are none.

    `transfer` is in bytes of live data per s. By data type, `speed` is in bytes of live data per s,
    and `growth` in bytes stored per byte of live data.
    """

    transfer: float | None
    speed: Mapping[str, float]
    growth: Mapping[str, float]
    n_runs: int


@dataclass(frozen=True)
class RunPlan:
    """What would happen to a run. Sizes in bytes, times in s, or None if unknown.

    `live` is the size of its live data, `to_move` the part that must still be transferred, `source`
    the nearest source that has them (None: they are here), and `trouble` why these are unknown or
    why the run cannot be started. `stored` and `to_make` are data types. `space` is the additional
    disk space needed. `writes` lists the changes to its run document, one line each.
    """

    run: str
    mode: str
    live: int | None
    to_move: int | None
    source: str | None
    trouble: str | None
    targets: tuple[str, ...]
    stored: tuple[str, ...]
    to_make: tuple[str, ...]
    space: int | None
    seconds: float | None
    jobs: tuple[Job, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Room:
    """Disk space needed (None: unknown) and free in a folder, in bytes."""

    folder: Path
    needed: int | None
    free: int

    @property
    def suffices(self) -> bool:
        """Whether the data fit, as far as is known."""
        return self.needed is None or self.needed <= self.free


def learn() -> Experience:
    """Return the medians over the newest runs with receipts in this directory."""
    known = receipts.learn_from_newest_runs(experience_of, LEARN_FROM)
    transfers = [one.transfer for one in known if one.transfer is not None]
    return Experience(
        transfer=statistics.median(transfers) if transfers else None,
        speed=_medians(one.speed for one in known),
        growth=_medians(one.growth for one in known),
        n_runs=len(known),
    )


def _medians(samples: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in samples:
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def experience_of(run: str) -> Experience | None:
    """Return what the receipts of a run teach; None if nothing, or if one of them is unusual."""
    transferred = receipts.read_or_empty(layout.transfer_receipt(run))
    speed, growth = {}, {}
    try:
        live = 0.0 + transferred.get("bytes", 0)
        if live <= 0:
            return None
        copied = transferred.get("copied_bytes") == live and transferred.get("duration_s")
        transfer = live / transferred["duration_s"] if copied else None
        for path in layout.receipts_of_data_types(run):
            made = receipts.read_or_empty(path)
            if made.get("already_stored") is False and made.get("wall_time_s"):
                speed[path.stem] = live / made["wall_time_s"]
                growth[path.stem] = sum(one["bytes"] for one in made["stored"].values()) / live
    except (AttributeError, KeyError, TypeError):
        return None
    return Experience(transfer, speed, growth, n_runs=1)


def run_plans(
    documents: Iterable[Document], jobs: Iterable[Job], config: Config, experience: Experience
) -> list[RunPlan]:
    """Return the plan for each run, given the jobs from the dry run."""
    of_run: dict[str, list[Job]] = {}
    for job in jobs:
        of_run.setdefault(job.run, []).append(job)
    with contextlib.ExitStack() as stack:
        connections = source.Connections(stack)
        return [
            _run_plan(
                document,
                of_run.get(layout.run_id(document["number"]), []),
                config,
                experience,
                connections.find,
            )
            for document in documents
        ]


def _run_plan(
    document: Document,
    jobs: Sequence[Job],
    config: Config,
    experience: Experience,
    find: Find,
) -> RunPlan:
    run = layout.run_id(document["number"])
    targets = run_document.wanted_targets(document, config)
    live, to_move, origin, trouble = _live_data(document, config, find)
    stored, to_make, impossible = _data_types(document, targets, config)
    processed = [job.data_type for job in jobs if job.rule == "process" and job.data_type]
    return RunPlan(
        run=run,
        mode=run_document.mode(document),
        live=live,
        to_move=to_move,
        source=origin,
        trouble=impossible or trouble,
        targets=targets,
        stored=stored,
        to_make=to_make,
        space=_space(live, processed if to_make else [], experience),
        seconds=_seconds(live, to_move, processed if to_make else [], experience),
        jobs=tuple(jobs),
        writes=_writes(document, targets, jobs, to_move, to_make),
    )


def spaces(plans: Iterable[RunPlan], config: Config) -> list[Room]:
    """Return the space that all runs together need, and the free space, for both kinds of data."""
    planned = list(plans)
    moved = [plan.to_move for plan in planned]
    made = [plan.space for plan in planned]
    return [
        Room(config.storage.live_data.absolute(), _sum(moved), _free(config.storage.live_data)),
        Room(config.storage.processed.absolute(), _sum(made), _free(config.storage.processed)),
    ]


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _free(folder: Path) -> int:
    return shutil.disk_usage(folders.existing(folder)).free


def _live_data(
    document: Document, config: Config, find: Find
) -> tuple[int | None, int | None, str | None, str | None]:
    """Return the size of a run's live data, the part not yet here, their source, and the trouble.

    The trouble is why the others are unknown, or None.
    """
    run = layout.run_id(document["number"])
    transferred = receipts.read_or_empty(layout.transfer_receipt(run))
    here = config.storage.live_data / run
    if here.is_dir() and isinstance(transferred.get("bytes"), int):
        return transferred["bytes"], 0, None, None
    try:
        search = Search(document, config.daq, config.sources, find)
        found = _nearest(search, still_taken=run_document.is_being_taken(document))
    except XamsflowError as error:
        return None, None, None, str(error)
    if here.is_dir():
        return found.listing.size, 0, found.name, None  # compared, not copied
    arrived = layout.incoming(config.storage.live_data, run)
    moved = sum(path.stat().st_size for path in arrived.rglob("*") if path.is_file())
    return found.listing.size, max(0, found.listing.size - moved), found.name, None


def _nearest(search: Search, *, still_taken: bool) -> Found:
    """Return the nearest complete copy, or as much of a run as the DAQ has written so far."""
    found = next(search.listings() if still_taken else search.complete(), None)
    if found is None:
        raise search.error()
    return found


def _data_types(
    document: Document, targets: Sequence[str], config: Config
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Return the data types stored with the current lineage, those to make, and the trouble."""
    from xamsflow.data.context import context, other, run_config  # noqa: PLC0415 - strax takes seconds
    from xamsflow.data.processing import to_be_stored  # noqa: PLC0415

    run = layout.run_id(document["number"])
    try:
        parsed = rundoc.parse(document)
    except BadDataError as error:
        return (), tuple(targets), str(error)
    with tempfile.TemporaryDirectory() as nothing:
        processed = config.storage.processed
        make = context if config.context is None else other(config.context)
        made = make(
            detector.load(config.detector),
            processed if processed.is_dir() else Path(nothing),  # strax would create it
            run_config(parsed, config.storage.live_data / run),
        )
        wanted: dict[str, bool] = {}
        for target in targets:
            try:
                requests.check([target], made.tree)
            except ConfigurationError as error:  # the run cannot be started, as the driver reports
                return (), tuple(targets), str(error)
            for name in to_be_stored(made, run, target):
                wanted[name] = bool(made.is_stored(run, name))
    stored = tuple(name for name, there in wanted.items() if there)
    return stored, tuple(name for name, there in wanted.items() if not there), None


def _space(live: int | None, processed: Sequence[str], experience: Experience) -> int | None:
    if not processed:
        return 0
    growth = [experience.growth.get(name) for name in processed]
    if live is None or any(factor is None for factor in growth):
        return None
    return round(live * max(factor for factor in growth if factor is not None))


def _seconds(
    live: int | None, to_move: int | None, processed: Sequence[str], experience: Experience
) -> float | None:
    if live is None or to_move is None or (to_move and experience.transfer is None):
        return None
    speeds = [experience.speed.get(name) for name in processed]
    if any(speed is None for speed in speeds):
        return None
    moving = to_move / experience.transfer if experience.transfer else 0.0
    return moving + sum(live / speed for speed in speeds if speed)


def _writes(
    document: Document,
    targets: Sequence[str],
    jobs: Sequence[Job],
    to_move: int | None,
    to_make: Sequence[str],
) -> tuple[str, ...]:
    found = state(document)
    attempt = run_document.attempt(document) + 1
    before = "nothing" if found is State.ABSENT else str(run_document.status(document))[:30]
    rules = [job.rule for job in jobs]
    told = [f"processing_status: {before} -> submitted (attempt {attempt})"]
    told += [f"-> running, {rule}" for rule in dict.fromkeys(rules)]
    entries = [*([run_document.LIVE] if to_move != 0 else []), *to_make]
    if entries:
        told.append(f"data: one entry each for {', '.join(entries)}")
    told.append(f"-> done, targets {', '.join(targets)}")
    return tuple(told)
