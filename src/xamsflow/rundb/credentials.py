"""User and password for the run database: from the environment or a file with mode 0600."""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from xamsflow.base.errors import ConfigurationError

USER_VARIABLE = "MONGO_USER"
PASSWORD_VARIABLE = "MONGO_PASSWORD"
DEFAULT_FILE = Path("~/.config/xamsflow/credentials")


@dataclass(frozen=True)
class Credentials:
    """Our identity for the run database; the password does not appear in the repr."""

    user: str
    password: str = field(repr=False)


def find(file: Path | None) -> Credentials | None:
    """Return the credentials from the environment, else from `file`, or None if there are none.

    `file` None means the default file, if it exists. Raises ConfigurationError if only one of the
    two variables is set, or if the file is missing, is a link, belongs to another user, is
    accessible to others, or has any other content. No error shows the content of the file.
    """
    user = os.environ.get(USER_VARIABLE) or None
    password = os.environ.get(PASSWORD_VARIABLE) or None
    if user is not None and password is not None:
        return Credentials(user, password)
    if user is not None or password is not None:
        there, missing = (
            (USER_VARIABLE, PASSWORD_VARIABLE) if user else (PASSWORD_VARIABLE, USER_VARIABLE)
        )
        raise ConfigurationError(
            f"{there} is set in the environment, {missing} is not", "set both or neither"
        )
    if file is not None:
        return _read(file)
    default = DEFAULT_FILE.expanduser()
    return _read(default) if default.exists() else None


def write(path: Path, credentials: Credentials) -> None:
    """Write a new file with mode 0600 that :func:`find` accepts.

    Raises ConfigurationError if the file exists or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, mode=0o600), "w", encoding="utf-8") as file:
            yaml.safe_dump({"user": credentials.user, "password": credentials.password}, file)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the credentials file {path} ({error.strerror})",
            "edit the existing file, or choose another one",
        ) from error


def _read(path: Path) -> Credentials:
    expected = "write two lines: user: NAME, and password: 'WORD' in quotes"
    try:
        # The open file is checked and read, whatever its name points to later. A pipe must not
        # block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            _check_private(path, os.fstat(file.fileno()))
            content = yaml.safe_load(file)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ConfigurationError(
                f"the credentials file {path} is a symbolic link",
                "name the file itself in rundb.credentials_file",
            ) from error
        raise ConfigurationError(
            f"cannot read the credentials file {path} ({error.strerror})",
            "correct rundb.credentials_file, or set MONGO_USER and MONGO_PASSWORD",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError):
        # Both errors quote the text around the mistake.
        raise ConfigurationError(f"{path} is not valid YAML", expected) from None
    if not isinstance(content, dict) or set(content) != {"user", "password"}:
        raise ConfigurationError(
            f"{path} must contain user and password, and nothing else", expected
        )
    for key, value in content.items():
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{key} in {path} is not text", expected)
    return Credentials(content["user"], content["password"])


def _check_private(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(
            f"{path} is not a file", "rundb.credentials_file must name a file with mode 0600"
        )
    if status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"the credentials file {path} belongs to another user (uid {status.st_uid})",
            "create your own",
        )
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"others can access the credentials file {path} (mode {mode:04o})", f"chmod 600 {path}"
        )
