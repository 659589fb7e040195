"""Which run a receipt or a folder belongs to: the number alone does not identify it.

Each collection of the run database numbers its own runs, and a run document may be replaced by
another one with the same number.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xamsflow.base import system_errors
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.redax import rundoc
from xamsflow.settings.config import Daq, Rundb
from xamsflow.state import layout, receipts
from xamsflow.state.receipts import Receipt

KEY = "identity"
"""The part of a transfer receipt that identifies its run."""


@dataclass(frozen=True)
class Identity:
    """What distinguishes a run from all others.

    `collection` is the collection of the run database, with its database; `document` is the ``_id``
    of the run document, `start` its start (UTC), `daq_folder` the folder in which the DAQ wrote.
    None: unknown, as in receipts of earlier versions.
    """

    number: int
    collection: str | None
    document: str | None
    start: str | None
    daq_folder: str | None

    @property
    def run_id(self) -> str:
        """The run's name."""
        return layout.run_id(self.number)

    def without_source(self) -> "Identity":
        """Return the identity as stored in a folder here: the DAQ may have moved its files."""
        return replace(self, daq_folder=None)

    def difference(self, other: "Identity") -> str | None:
        """Return how this run differs from another one, or None if they may be the same."""
        for name, word in WORDS.items():
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours is not None and theirs is not None and ours != theirs:
                return f"its {word} is {ours}, not {theirs}"
        return None


WORDS = {
    "number": "number",
    "collection": "collection",
    "document": "document _id",
    "start": "start",
    "daq_folder": "folder on the DAQ host",
}


def of_settings(number: int, settings: Rundb | None, daq: Daq) -> Identity:
    """Return what is known of a run without its document; `settings` None: no run database."""
    collection = None if settings is None else f"{settings.database}.{settings.collection}"
    folder = None if daq.live_data is None else str(daq.live_data)
    return Identity(number, collection, None, None, folder)


def of_document(document: Mapping[str, Any], settings: Rundb | None, daq: Daq) -> Identity:
    """Return the identity of the run that a document describes; see :func:`of_settings`.

    Raises BadDataError for a document without a run number.
    """
    number = rundoc.whole(document.get("number"))
    if number is None or not layout.is_run_number(number):
        raise BadDataError("run document without a run number", "correct its number")
    known = of_settings(number, settings, daq)
    return replace(
        known,
        document=rundoc.document_id(document),
        start=rundoc.start_time(document),
        daq_folder=known.daq_folder or rundoc.live_location(document, daq.copies_on),
    )


def of_receipt(receipt: Receipt) -> Identity:
    """Return which run a transfer receipt belongs to.

    Receipts of earlier versions only contain the run document.
    """
    number = layout.run_number(receipt["run_id"])
    if isinstance(told := receipt.get(KEY), Mapping):
        return Identity(number, *(told.get(name) for name in list(WORDS)[1:]))
    document = rundoc.from_json(receipt["run_document"])
    names = rundoc.document_id(document), rundoc.start_time(document)
    return Identity(number, None, *names, None)


def to_json(identity: Identity) -> dict[str, Any]:
    """Return an identity in the form used in receipts."""
    return {name: value for name, value in asdict(identity).items() if name != "number"}


def check_receipt(receipt: Receipt, wanted: Identity) -> None:
    """Raise ConfigurationError if a transfer receipt belongs to another run."""
    difference = of_receipt(receipt).difference(wanted)
    if difference is not None:
        run = wanted.run_id
        raise ConfigurationError(
            f"{layout.transfer_receipt(run)} belongs to another run {run}: {difference}",
            "give each collection its own working directory and storage; or, to replace the "
            f"earlier run, move away {layout.transfer_receipt(run).parent} and its data in "
            "storage.live_data and storage.processed, then run again",
        )


def check_folder(parent: Path, wanted: Identity) -> None:
    """Raise ConfigurationError if the data in a storage belong to another run with this number."""
    path = layout.identity_file(parent, wanted.run_id)
    try:
        held = receipts.read(path)
    except FileNotFoundError:
        return
    found = Identity(wanted.number, *(held.get(name) for name in list(WORDS)[1:]))
    difference = found.difference(wanted.without_source())
    if difference is not None and _holds_data(parent, wanted.run_id):
        raise ConfigurationError(
            f"{parent} has data of another run {wanted.run_id}: {difference}",
            "give each collection its own storage; or, to replace the earlier run, move its data "
            "away, then run again",
        )


def hold_folder(parent: Path, wanted: Identity) -> None:
    """Record in a storage which run its data under this run number belong to from now on.

    Raises ConfigurationError as :func:`check_folder` does. The caller must hold the run's lock, so
    that only one of several working directories with the same storage writes.
    """
    check_folder(parent, wanted)
    path = layout.identity_file(parent, wanted.run_id)
    told = to_json(wanted.without_source())
    try:
        if receipts.read(path) == told:
            return
    except (FileNotFoundError, BadDataError):
        pass
    receipts.write(path, told)


def _holds_data(parent: Path, run: str) -> bool:
    try:
        names = os.listdir(parent)  # noqa: PTH208 - there may be many
    except OSError as error:
        raise system_errors.cannot("read", parent, error) from error
    return any(name == run or name.startswith((f"{run}-", f"{run}.")) for name in names)
