"""Receipts: small JSON files that record what was done, written last and renamed into place."""

import json
import os
import secrets
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from xamsflow.base import schema, system_errors
from xamsflow.base.durable import make_folder, make_shared_folder, replacing, share, sync
from xamsflow.base.errors import BadDataError, TransientError, XamsflowError
from xamsflow.state import layout

Receipt = dict[str, Any]
_T = TypeVar("_T")

PROBE_BYTES = 16_384
"""What must fit on a disk for it to count as having space: a receipt or a log."""

DEEPEST = 200
"""Levels of nesting; MongoDB allows 100 in a document, and deeper JSON exceeds Python's stack."""


def write(path: Path, receipt: Receipt, *, durable: bool = True, shared: bool = False) -> None:
    """Write a receipt atomically: readers see all of it or nothing.

    With `durable`, it also survives a power cut and is formatted for people. With `shared`,
    everybody who can use the parent of its folder can read and replace it, whatever the umask.
    Raises the errors of :func:`xamsflow.base.system_errors.cannot`.
    """
    # Python's encoder is ten times slower with line breaks, so only durable receipts have them.
    text = json.dumps(receipt, indent=1 if durable else None, ensure_ascii=False) + "\n"
    try:
        if shared:
            make_shared_folder(path.parent)
        elif durable:
            make_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if shared:
                share(partial, path.parent.parent)
            if durable:
                os.fsync(file.fileno())
        if durable:
            sync(path.parent)
    except OSError as error:
        raise system_errors.cannot("write", path, error) from error


def read(path: Path, needs: Iterable[str] = ()) -> Receipt:
    """Return a receipt.

    Raises FileNotFoundError if there is none, BadDataError if it is not a JSON object or lacks one
    of the keys in `needs`, and the errors of :func:`xamsflow.base.system_errors.cannot` if the file
    cannot be read.
    """
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise _damaged(path, "a folder") from error
    except OSError as error:
        raise system_errors.cannot("read", path, error) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(receipt, dict):
        raise _damaged(path, "not a JSON object")
    if _is_deeper(receipt, DEEPEST):
        raise _damaged(path, f"nested more than {DEEPEST} levels deep")
    missing = [key for key in needs if key not in receipt]
    if missing:
        raise _damaged(path, f"it lacks {', '.join(missing)}")
    return receipt


def read_form(
    path: Path, version: int, understand: Callable[[Receipt], _T], *, is_not: str, remedy: str
) -> _T | None:
    """Return what `understand` makes of a receipt of this version, None if there is none.

    Raises BadDataError with `is_not` and `remedy` if the receipt has another version, or if
    `understand` raises an error that odd content causes. Otherwise raises as :func:`read`.
    """
    try:
        content = read(path)
    except FileNotFoundError:
        return None
    try:
        if content.pop("version") != version:
            raise ValueError("another version")
        return understand(content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BadDataError(f"{path} {is_not} ({error})", remedy) from error


def read_or_empty(path: Path) -> Receipt:
    """Return a receipt, an empty one if there is none or it cannot be read."""
    try:
        return read(path)
    except (OSError, XamsflowError):
        return {}


def of_data_types(run: str, needs: Iterable[str]) -> list[Receipt]:
    """Return the receipts of a run's data types.

    Raises TransientError if one disappears meanwhile, as it does when a driver begins to process
    the run again. Otherwise raises as :func:`read`.
    """
    wanted = tuple(needs)
    try:
        return [read(path, wanted) for path in layout.receipts_of_data_types(run)]
    except FileNotFoundError as error:
        raise TransientError(
            f"{error.filename} has disappeared",
            f"if run {run} is being processed again, try later; otherwise use xamsflow reconcile",
        ) from error


def check_text(receipt: Receipt, keys: Iterable[str]) -> None:
    """Raise TypeError if one of these keys is there and is not text."""
    for key in keys:
        if not isinstance(receipt.get(key, ""), str):
            raise TypeError(f"{key} is {receipt[key]!r:.40}, not text")


def read_or_set_aside(path: Path, needs: Iterable[str]) -> Receipt:
    """Return a receipt that a rule needs; set an unusable one aside so that it is made again.

    Raises TransientError for a missing or unusable receipt: the next run of the driver makes it.
    """
    try:
        return read(path, needs)
    except FileNotFoundError as error:
        raise TransientError(f"{path} is missing", "the next attempt writes it") from error
    except BadDataError as error:
        aside = path.with_name(f"{path.name}.unreadable")
        try:
            path.replace(aside)
        except OSError as failed:
            raise system_errors.cannot("write", path, failed) from failed
        raise TransientError(
            f"{error.what}; it was set aside as {aside.name}", "the next attempt writes it again"
        ) from error


def check_writable(folder: Path) -> None:
    """Raise an error with the reason if a receipt cannot be written to a folder."""
    probe = folder / f".{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", folder, error) from error


def read_transfer(path: Path) -> Receipt:
    """Return the receipt of a run's transfer.

    Raises as :func:`read`, and BadDataError if the receipt is incomplete or another run's.
    """
    return _read_checked(path, "transfer", run_id=path.parent.name)


def read_data_type(path: Path) -> Receipt:
    """Return the receipt of a run's data type; raises as :func:`read_transfer`."""
    receipt = _read_checked(path, "data_type", run_id=path.parent.name, data_type=path.stem)
    if receipt["data_type"] not in receipt["stored"]:
        raise _damaged(path, f"stored lacks {receipt['data_type']}")
    return receipt


def read_published(path: Path) -> Receipt:
    """Return the receipt for publishing the run document; raises as :func:`read_transfer`."""
    return _read_checked(path, "rundoc", run_id=path.parent.name)


def _read_checked(path: Path, kind: str, **expected: str) -> Receipt:
    receipt = read(path)
    mistake = schema.mistake(receipt, layout.SCHEMAS / "receipts" / f"{kind}.schema.yaml")
    if mistake is not None:
        raise _damaged(path, str(mistake))
    for key, value in expected.items():
        if receipt[key] != value:
            raise _damaged(path, f"{key} is {receipt[key]}")
    return receipt


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether lists and dicts are nested in more than this number of levels."""
    layer = [value]
    for _ in range(levels):
        inner = (one.values() if isinstance(one, dict) else one for one in layer)
        layer = [one for several in inner for one in several if isinstance(one, dict | list)]
        if not layer:
            return False
    return True


def _damaged(path: Path, why: str) -> BadDataError:
    return BadDataError(
        f"{path} is not a receipt, or is damaged ({why})",
        "move it away and start again: it is then rewritten from the stored data",
    )


def learn_from_newest_runs(learn: Callable[[str], _T | None], at_most: int) -> list[_T]:
    """Return what the receipts of the newest runs teach, newest run first.

    Runs for which `learn` returns None do not count.
    """
    every = (learn(folder.name) for folder in layout.folders_of_runs())
    return list(islice((one for one in every if one is not None), at_most))
