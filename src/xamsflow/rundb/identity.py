"""Which run a receipt or a folder is of: its number alone does not tell.

Each collection of the run database numbers its own runs, and a run document may be replaced by
another of the same number.
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
"""The part of a transfer's receipt that says which run it is of."""


@dataclass(frozen=True)
class Identity:
    """A run, told apart from all others.

    `collection` is that of the run database, with its database; `document` is the ``_id`` of the
    run document, `start` its start (UTC), `daq_folder` the folder in which the DAQ wrote. None:
    not known, as in receipts of earlier versions.
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
        """Return it as a folder here knows it: the DAQ may have moved what it wrote."""
        return replace(self, daq_folder=None)

    def difference(self, other: "Identity") -> str | None:
        """Return in what this run differs from another one, None where it may be the same."""
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
    """Return what is known of a run without its document; `settings` None: of no run database."""
    collection = None if settings is None else f"{settings.database}.{settings.collection}"
    folder = None if daq.live_data is None else str(daq.live_data)
    return Identity(number, collection, None, None, folder)


def of_document(document: Mapping[str, Any], settings: Rundb | None, daq: Daq) -> Identity:
    """Return which run a run document describes; `settings` as for :func:`of_settings`.

    Raises BadDataError for a document without run number.
    """
    number = rundoc.whole(document.get("number"))
    if number is None or not layout.is_run_number(number):
        raise BadDataError("run document without a run number", "correct its number")
    known = of_settings(number, settings, daq)
    return replace(
        known,
        document=rundoc.document_id(document),
        start=rundoc.start_time(document),
        daq_folder=known.daq_folder or rundoc.live_location(document),
    )


def of_receipt(receipt: Receipt) -> Identity:
    """Return which run a transfer's receipt is of.

    Those of earlier versions hold the run document, and no more.
    """
    number = layout.run_number(receipt["run_id"])
    if isinstance(told := receipt.get(KEY), Mapping):
        return Identity(number, *(told.get(name) for name in list(WORDS)[1:]))
    document = rundoc.from_json(receipt["run_document"])
    names = rundoc.document_id(document), rundoc.start_time(document)
    return Identity(number, None, *names, None)


def to_json(identity: Identity) -> dict[str, Any]:
    """Return an identity as a receipt holds it."""
    return {name: value for name, value in asdict(identity).items() if name != "number"}


def check_receipt(receipt: Receipt, wanted: Identity) -> None:
    """Raise ConfigurationError for a transfer's receipt that is of another run than is wanted."""
    difference = of_receipt(receipt).difference(wanted)
    if difference is not None:
        run = wanted.run_id
        raise ConfigurationError(
            f"{layout.transfer_receipt(run)} is of another run {run}: {difference}",
            "process each collection in a working folder and a storage of its own; or, to replace "
            f"the earlier run, move {layout.transfer_receipt(run).parent} and what "
            f"storage.live_data and storage.processed have of it away, then start again",
        )


def check_folder(parent: Path, wanted: Identity) -> None:
    """Raise ConfigurationError where the data of a run in a storage are another run's."""
    path = layout.identity_file(parent, wanted.run_id)
    try:
        held = receipts.read(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise system_errors.cannot("read", path, error) from error
    found = Identity(wanted.number, *(held.get(name) for name in list(WORDS)[1:]))
    difference = found.difference(wanted.without_source())
    if difference is not None and _holds_data(parent, wanted.run_id):
        raise ConfigurationError(
            f"{parent} has data of another run {wanted.run_id}: {difference}",
            "give each collection a storage of its own; or, to replace the earlier run, move what "
            "is there of it away, then start again",
        )


def hold_folder(parent: Path, wanted: Identity) -> None:
    """Note in a storage whose data it has under a run's number from now on.

    Raises ConfigurationError as :func:`check_folder`. Who calls this holds the run's lock, so that
    of several working folders with one storage only one writes.
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
