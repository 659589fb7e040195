"""Receipts: small JSON files that say what was done, written last and by rename."""

import contextlib
import errno
import json
import os
import secrets
from pathlib import Path
from typing import Any

from xamsflow.errors import BadDataError, ConfigurationError, ResourcesError

Receipt = dict[str, Any]


def write(path: Path, receipt: Receipt) -> None:
    """Write a receipt so that it is there whole or not at all, also after a power cut.

    Raises ResourcesError on a full disk, ConfigurationError where the folder cannot be written.
    """
    text = json.dumps(receipt, indent=1, ensure_ascii=False) + "\n"
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise storage_error(error, path) from error


def read(path: Path) -> Receipt:
    """Return a receipt.

    Raises FileNotFoundError where there is none, BadDataError where it is no JSON object.
    """
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadDataError(
            f"{path} is no receipt ({error})", "remove it and start again"
        ) from error
    if not isinstance(receipt, dict):
        raise BadDataError(f"{path} is no receipt", "remove it and start again")
    return receipt


def storage_error(error: OSError, path: Path) -> ResourcesError | ConfigurationError:
    """Turn a failed write at `path` into the error that says what a person can do about it."""
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ResourcesError(f"no space left for {where}", "free space there and start again")
    return ConfigurationError(
        f"cannot write {where} ({os.strerror(error.errno or 0)})",
        "check the folder and its access rights",
    )
