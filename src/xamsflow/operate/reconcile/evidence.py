"""Gather what each place currently says about a run."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xamsflow.base import system_errors
from xamsflow.base.errors import BadDataError, XamsflowError
from xamsflow.batch import submissions, systems
from xamsflow.batch.systems import Unreachable
from xamsflow.data import lineage
from xamsflow.redax.listing import Listing
from xamsflow.run import selecting
from xamsflow.rundb import ClaimedRun, RunDatabase, StatusView, registered, run_document, understand
from xamsflow.settings import config, detector
from xamsflow.settings.detector import Detector
from xamsflow.state import claims, layout, lock, owner, receipts, strax_folder
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import source

Document = Mapping[str, Any]

RECEIPTS = layout.transfer_receipt("0").parents[1]
"""The folder with a folder of receipts for each run."""

NO_RECEIPTS: dict[str, Any] = {
    **dict.fromkeys(("transfer", "published", "claim_file")),
    "data_types": (),
}
"""The fields of Evidence that come from receipts, for a run that has none."""


@dataclass(frozen=True)
class ReceiptFile:
    """A receipt as found on disk; one of `content` and `damage` is None."""

    path: Path
    content: Receipt | None
    damage: str | None = None

    @classmethod
    def found(cls, path: Path, read: Callable[[Path], Receipt]) -> "ReceiptFile | None":
        """Return the receipt at `path`, or None if there is no file."""
        try:
            return cls(path, read(path))
        except FileNotFoundError:
            return None
        except BadDataError as error:
            return cls(path, None, error.what)


@dataclass(frozen=True)
class StraxFolder:
    """A folder of strax data; if it is incomplete, `facts` is None and `damage` says why."""

    path: Path
    name: strax_folder.Name
    facts: dict[str, Any] | None
    damage: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything found about one run.

    `claimed` is the claim of a driver of this project, `claim_file` the copy for its jobs. `jobs`
    are its queued or running batch jobs submitted from this working directory. `unreadable` says
    why its files cannot be read; the other fields then say nothing.
    """

    run: str
    documents: tuple[Document, ...]
    claimed: ClaimedRun | None
    transfer: ReceiptFile | None
    data_types: tuple[ReceiptFile, ...]
    published: ReceiptFile | None
    claim_file: ReceiptFile | None
    folders: tuple[StraxFolder, ...]
    live_data: Path | None
    locked: bool
    jobs: tuple[str, ...]
    unreadable: XamsflowError | None = None

    @property
    def number(self) -> int:
        """The run's number."""
        return layout.run_number(self.run)

    @property
    def document(self) -> Document | None:
        """The run document, or None if there is none or more than one."""
        return self.documents[0] if len(self.documents) == 1 else None

    @property
    def status(self) -> StatusView:
        """The interpreted status, whatever its form in the document."""
        return understand(run_document.status(self.document or {}))

    @property
    def entries(self) -> Sequence[Document]:
        """The entries of the run document's `data`."""
        return run_document.data_entries(self.document or {})

    def entries_of(self, host: str) -> list[Document]:
        """Return the entries that this project wrote for a cluster."""
        return [entry for entry in self.entries if registered.is_ours(entry, host)]

    @property
    def made_from_the_copy(self) -> list[Path]:
        """The local copy of the live data and all files here that were made from it."""
        folders = (folder.path for folder in self.folders)
        files = (self.transfer, *self.data_types, self.published)
        return [
            *([self.live_data] if self.live_data else []),
            *folders,
            *(file.path for file in files if file is not None),
        ]

    @property
    def in_work(self) -> bool:
        """Whether a living driver or a job is processing the run, so that anything may change."""
        return self.locked or (self.claimed is not None and not self.stranded)

    @property
    def stranded(self) -> bool:
        """Whether the run is claimed by a driver that died without leaving an outcome."""
        return self.claimed is not None and selecting.is_stranded(self.claimed)

    @property
    def complete(self) -> dict[Path, StraxFolder]:
        """The complete strax folders, by path."""
        return {folder.path: folder for folder in self.folders if folder.facts is not None}


@dataclass
class Sources:
    """The places to compare and what repairs need; with `checksums`, all live data are read."""

    settings: config.Config
    database: RunDatabase
    checksums: bool = False
    daq_away: str | None = None
    by: str = field(default_factory=owner.user)
    _opened: ExitStack = field(default_factory=ExitStack)
    _look: source.Look | None = None

    def close(self) -> None:
        """Close the connection to the DAQ host."""
        self._opened.close()

    @property
    def host(self) -> str:
        """This cluster's name in run documents."""
        return self.settings.storage.host

    @cached_property
    def processed(self) -> Path:
        """The folder of strax data."""
        return self.settings.storage.processed.absolute()

    @cached_property
    def live_data(self) -> Path:
        """The folder for transferred runs."""
        return Path(os.path.abspath(self.settings.storage.live_data))  # noqa: PTH100

    def on_daq(self, parent: str, run: str) -> Listing | None:
        """Return the listing of a run's folder on the DAQ host, or None if it is gone.

        Also None if the DAQ host cannot be read; `daq_away` then says why.
        """
        if self._look is None and self.daq_away is None:
            try:
                self._look = self._opened.enter_context(source.looking(self.settings.daq.ssh))
            except XamsflowError as error:
                self.daq_away = str(error)
        if self._look is None:
            return None
        try:
            return self._look(parent, run)[1]
        except XamsflowError as error:
            self.daq_away = str(error)
            return None

    def lineage(self, run: str) -> Mapping[str, str]:
        """Return a run's lineage hash by data type, for the current software and settings."""
        first = lineage.same_as(self._detector, run)
        if first not in self._lineages:
            self._lineages[first] = lineage.of(self._detector, self.settings.context, first)
        return self._lineages[first]

    @cached_property
    def _detector(self) -> Detector:
        return detector.load(self.settings.detector)

    @cached_property
    def _lineages(self) -> dict[str, dict[str, str]]:
        return {}

    def runs_on_disk(self) -> set[str]:
        """Return the runs that have receipts, strax folders or live data here."""
        names = {path.name for path in _children(self.live_data) if path.is_dir()}
        names |= {path.name for path in _children(RECEIPTS)}
        names |= {folder.run for folder in map(_name, _children(self.processed)) if folder}
        return {name for name in names if layout.is_run_id(name)}

    def all_runs(self) -> set[str]:
        """Return all runs known here or in the run database."""
        known = self.database.documents(run_document.TOUCHED)
        return self.runs_on_disk() | {
            layout.run_id(document["number"]) for document in known if self._is_touched(document)
        }

    def _is_touched(self, document: Document) -> bool:
        """Return whether a run has a status or data on this cluster."""
        entries = run_document.data_entries(document)
        here = any(registered.is_ours(entry, self.host) for entry in entries)
        return here or run_document.status(document) is not None

    def gather(self, runs: set[str], *, locked_by_us: bool = False) -> list[Evidence]:
        """Return the evidence on each of these runs, newest first."""
        documents: dict[str, list[Document]] = {run: [] for run in runs}
        for document in self.database.documents(run_document.COMPARED, _range(runs)):
            if (run := layout.run_id(document["number"])) in documents:
                documents[run].append(document)
        folders: dict[str, list[tuple[Path, strax_folder.Name]]] = {run: [] for run in runs}
        for path in sorted(_children(self.processed)):
            name = _name(path)
            if name is not None and name.run in folders and path.is_dir():
                folders[name.run].append((path, name))
        jobs = batch_jobs()
        # Most runs of a large run database have no files here.
        copies = {path.name for path in _children(self.live_data)}
        with_receipts = {path.name for path in _children(RECEIPTS)}

        def of(run: str) -> Evidence:
            return Evidence(
                run=run,
                documents=tuple(documents[run]),
                claimed=next(filter(None, map(ClaimedRun.of, documents[run])), None),
                folders=tuple(_strax_folder(path, name) for path, name in folders[run]),
                live_data=self.live_data / run
                if run in copies and (self.live_data / run).is_dir()
                else None,
                locked=not locked_by_us and lock.is_held(layout.lock_file(self.processed, run)),
                jobs=tuple(jobs.get(run, ())),
                **(_receipts(run) if run in with_receipts else NO_RECEIPTS),
            )

        found = []
        for run in sorted(runs, reverse=True):
            try:
                found.append(of(run))
            except (XamsflowError, OSError) as error:  # it affects only this run
                found.append(_unreadable(run, system_errors.readable(error)))
        return found


def _unreadable(run: str, error: XamsflowError) -> Evidence:
    return Evidence(run, (), None, None, (), None, None, (), None, False, (), error)


def _range(runs: set[str]) -> list[range]:
    """Return the range of run numbers from the first to the last of these runs."""
    numbers = sorted(map(layout.run_number, runs))
    return [range(numbers[0], numbers[-1] + 1)] if numbers else []


def _receipts(run: str) -> dict[str, Any]:
    """Return the fields of Evidence that come from ``results/<run_id>/``."""
    data_types = [
        ReceiptFile.found(path, receipts.read_data_type)
        for path in layout.receipts_of_data_types(run)
    ]
    return {
        "transfer": ReceiptFile.found(layout.transfer_receipt(run), receipts.read_transfer),
        "data_types": tuple(receipt for receipt in data_types if receipt is not None),
        "published": ReceiptFile.found(layout.rundoc_receipt(run), receipts.read_published),
        "claim_file": ReceiptFile.found(layout.claim_file(run), claims.read_file),
    }


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise XamsflowError(
            f"cannot read {folder} ({error.strerror})", "check its permissions"
        ) from error


def _name(path: Path) -> strax_folder.Name | None:
    return strax_folder.parse_name(path.name)


def _strax_folder(path: Path, name: strax_folder.Name) -> StraxFolder:
    if name.temporary:
        return StraxFolder(path, name, None, "strax did not finish it")
    try:
        return StraxFolder(path, name, strax_folder.check(path))
    except BadDataError as error:
        return StraxFolder(path, name, None, without_run(error, name.run))


def without_run(error: BadDataError, run: str) -> str:
    """Return an error's text without the run, with which every line begins anyway."""
    return error.what.removeprefix(f"run {run}: ")


def batch_jobs() -> dict[str, list[str]]:
    """Return the queued or running batch jobs of this working directory, by run.

    If the batch system does not respond, return the jobs that were alive when it last did.
    """
    waiting: dict[str, list[str]] = {}
    for system, job in submissions.waiting():
        if submissions.of_job(system, job).exit_code is None:
            waiting.setdefault(system, []).append(job)
    jobs: dict[str, list[str]] = {}
    for system, known in waiting.items():
        for job in _alive(system, known):
            for _, values in submissions.of_job(system, job).about.get("members", []):
                if "run_id" in values and job not in jobs.setdefault(values["run_id"], []):
                    jobs[values["run_id"]].append(job)
    return jobs


def _alive(name: str, jobs: Sequence[str]) -> list[str]:
    """Return the jobs that have not ended as far as their batch system tells.

    The list of jobs is that of one server; another server may know jobs that are missing from it.
    """
    try:
        system = systems.named(name)
        listed = submissions.matched(jobs, dict.fromkeys(system.alive()))
        unlisted = [job for job in jobs if job not in listed]
        told = system.details(unlisted) if unlisted else {}
    except (Unreachable, ImportError):
        return list(jobs)
    ended = {job for job, details in told.items() if details.ended or not details.known}
    return [job for job in jobs if job not in ended]
