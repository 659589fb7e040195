"""Where a run can be copied from: the DAQ and the places that keep copies, nearest first."""

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from xamsflow.base import clock
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.redax import ending, rundoc
from xamsflow.redax.folder import check_listing
from xamsflow.redax.listing import Listing
from xamsflow.settings.config import DAQ, Daq, Source, SshHost
from xamsflow.state import layout
from xamsflow.transfer import source
from xamsflow.transfer.source import Folder

Find = Callable[[SshHost | None, str, str], tuple[Folder, Listing | None]]
"""Lists a run's folder in a parent folder on a host, see :func:`xamsflow.transfer.source.find`."""


@dataclass(frozen=True)
class Place:
    """The folder `parent` on a host (None: this machine) that may hold a run.

    `name` is ``daq``, or the name of a source in the settings.
    """

    name: str
    host: SshHost | None
    parent: str

    def __str__(self) -> str:
        return f"{self.name} ({Folder(self.host, self.parent)})"

    def folder(self, run_id: str) -> Folder:
        """Return the run's folder at this place."""
        return Folder(self.host, posixpath.join(self.parent, run_id))


@dataclass(frozen=True)
class Found:
    """A run's folder at a place, and its contents; `nearest`: no place comes before this one.

    `the_end` lists the files in THE_END of a complete copy.
    """

    name: str
    folder: Folder
    listing: Listing
    nearest: bool = True
    the_end: Sequence[str] = ()


@dataclass(frozen=True)
class PassedOver:
    """The reason why a run is not copied from a place; `gone`: the place does not have the run."""

    name: str
    error: XamsflowError
    gone: bool = False

    @property
    def away(self) -> bool:
        """Whether the place could not be queried."""
        transient = isinstance(self.error, TransientError)
        return transient and not isinstance(self.error, StillTakenError)

    def __str__(self) -> str:
        return f"{self.name}: {self.error.what}"


class Search:
    """A search for copies of one run, nearest first.

    `passed_over` collects the reasons why copies were not used. `where` lists the places that can
    be queried. `on_daq` is the DAQ's place; None if neither the settings nor the run document
    specify a folder there.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        daq: Daq,
        sources: Sequence[Daq | Source],
        find: Find = source.find,
    ) -> None:
        """Prepare; raises BadDataError for an unusable run document."""
        self._run = rundoc.parse(document)
        self._run_id = layout.run_id(self._run.number)
        self._find = find
        self.passed_over: list[PassedOver] = []
        self.where: list[Place] = []
        for one in sources or (daq,):
            try:
                self.where += _places(document, self._run_id, one, daq)
            except XamsflowError as error:
                self.passed_over.append(PassedOver(_name(one), error, gone=_says_nothing(error)))
        self._here = None
        if daq.copies_in is not None:
            self._here = Folder(None, os.path.realpath(daq.copies_in / self._run_id))
        self.on_daq = next((place for place in self.where if place.name == DAQ), None)

    def listings(self) -> Iterator[Found]:
        """Yield the run's folder at each place that has it, complete or not."""
        for place in self.where:
            try:
                folder, listing = self._find(place.host, place.parent, self._run_id)
            except XamsflowError as error:
                self.pass_over(place.name, error)
                continue
            if listing is None or (folder == self._here and place.name != DAQ):
                why = _missing(place, folder) if listing is None else _own(place, folder)
                self.passed_over.append(PassedOver(place.name, why, gone=True))
                continue
            yield Found(place.name, folder, listing, nearest=place == self.where[0])

    def complete(self, now: Callable[[], datetime] = clock.now) -> Iterator[Found]:
        """Yield the complete copies of the run, by their THE_END.

        Copies that lack parts of the run come last, because the DAQ may never have written these
        parts. They are left out while a place that may have the run cannot be queried.
        """
        lacking = []
        for found in self.listings():
            try:
                the_end = ending.check(self._run, found.listing, str(found.folder), now())
            except XamsflowError as error:
                self.pass_over(found.name, error)
                continue
            copy = replace(found, the_end=the_end)
            try:
                check_listing(Path(found.folder.path), found.listing, self._run_id)
            except BadDataError as error:
                self.pass_over(found.name, error)
                lacking.append((copy, self.passed_over[-1]))
                continue
            yield copy
        for copy, why in lacking:
            if not any(one.away for one in self.passed_over):
                self.passed_over.remove(why)
                yield copy

    def pass_over(self, name: str, error: XamsflowError) -> None:
        """Record why a copy is not used."""
        self.passed_over.append(PassedOver(name, error))

    def error(self) -> XamsflowError:
        """Return the error to raise if no copy can be used.

        The error is transient if a place could not be queried, because that place may have the run.
        A missing entry in the run document counts only if there is no other reason.
        """
        errors = [one.error for one in self.passed_over]
        if len(errors) == 1:
            return errors[0]
        errors = [one for one in errors if not _says_nothing(one)] or errors
        kind = next(kind for kind in _KINDS if any(isinstance(one, kind) for one in errors))
        remedy = next(one.remedy for one in errors if isinstance(one, kind))
        told = "; ".join(map(str, self.passed_over))
        return kind(f"run {self._run_id} cannot be copied from any source: {told}", remedy)


_KINDS = (
    StillTakenError,
    TransientError,
    ResourcesError,
    ConfigurationError,
    BadDataError,
    XamsflowError,
)
"""Error classes; of several errors, the one whose class comes first decides what follows."""


def parent_on_daq(document: Mapping[str, Any], daq: Daq) -> str:
    """Return the folder on the DAQ host that contains the run's folder.

    Raises ConfigurationError if neither the settings nor the run document specify it, BadDataError
    if the run document contains anything but an absolute path.
    """
    if daq.live_data is not None:
        return str(daq.live_data)
    location = rundoc.live_location(document, daq.copies_on)
    if location is None and daq.ssh is None:
        # The DAQ and the cluster share this disk.
        location = rundoc.live_location(document, daq.sources)
    run = layout.run_id(rundoc.parse(document).number)
    if location is None:
        raise _NoLocationError(
            f"the run document of {run} does not say where its live data are on the DAQ host",
            "the DAQ may have deleted them; otherwise set daq.live_data",
        )
    return _checked(run, location, "set daq.live_data")


class _NoLocationError(ConfigurationError):
    """The run document lists no copy at a place whose folder the settings do not specify."""


def _says_nothing(error: XamsflowError) -> bool:
    return isinstance(error, _NoLocationError)


def _name(one: Daq | Source) -> str:
    return DAQ if isinstance(one, Daq) else one.name


def _places(document: Mapping[str, Any], run: str, one: Daq | Source, daq: Daq) -> list[Place]:
    if isinstance(one, Daq):
        return [Place(DAQ, one.ssh, parent_on_daq(document, one))]
    if one.live_data is not None:
        return [Place(one.name, one.ssh, str(one.live_data))]
    locations = rundoc.live_locations(document, one.name)
    if one.name == daq.cluster:  # our own entry is not another copy
        locations = [each for each in locations if posixpath.normpath(each) != str(daq.copies_in)]
    if not locations:
        raise _NoLocationError(
            f"the run document of {run} lists no live data on {one.name}",
            f"if there are any, set live_data of source {one.name}",
        )
    remedy = f"set live_data of source {one.name}"
    return [Place(one.name, one.ssh, _checked(run, each, remedy)) for each in locations]


def _checked(run: str, location: str, remedy: str) -> str:
    if not location.startswith("/") or "\0" in location:
        raise BadDataError(
            f"run {run}: location of the live data is {location!r:.80} in the run document, "
            "expected an absolute path",
            f"correct it, or {remedy}",
        )
    return posixpath.normpath(location)


def _missing(place: Place, folder: Folder) -> BadDataError:
    whose = "the DAQ" if place.name == DAQ else place.name
    return BadDataError(f"{folder} is missing", f"{whose} never had this run or no longer has it")


def _own(place: Place, folder: Folder) -> BadDataError:
    return BadDataError(
        f"{folder} is the copy here, not another one", f"correct live_data of source {place.name}"
    )
