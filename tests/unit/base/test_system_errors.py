import errno
import os
from pathlib import Path

import pytest

from xamsflow.base import system_errors
from xamsflow.base.errors import ConfigurationError, ResourcesError, TransientError
from xamsflow.settings.config import SshHost
from xamsflow.transfer import rsync
from xamsflow.transfer.source import Folder

FULL = ("ENOSPC", "EDQUOT", "EFBIG", "ENOMEM")
WRONG = ("EACCES", "EPERM", "EROFS", "ENOSYS", "EOPNOTSUPP")
IN_THE_WAY = ("ENOTDIR", "EISDIR", "EEXIST", "ENOTEMPTY", "ELOOP", "ENAMETOOLONG")
AWAY = (
    *("ESTALE", "EIO", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENOLCK"),
    *("EMFILE", "ENFILE", "EINTR", "EBUSY", "EINVAL", "ENXIO", "ENODEV", "EREMOTEIO", "EPIPE"),
)
KINDS = [
    *((name, ResourcesError) for name in FULL),
    *((name, ConfigurationError) for name in WRONG + IN_THE_WAY),
    *((name, TransientError) for name in AWAY),
]


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize("action", ["read", "write", "lock"])
def test_the_errno_determines_the_class_of_an_error(name, kind, action, tmp_path):
    number = getattr(errno, name)
    error = system_errors.cannot(action, tmp_path, OSError(number, "in any language"))
    assert type(error) is kind
    assert str(tmp_path) in str(error)
    assert os.strerror(number) in str(error)
    assert error.remedy
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize("source", [Folder(None, "/daq/1"), Folder(SshHost("daq"), "/daq/1")])
def test_errors_reported_by_rsync_have_the_same_class(name, kind, source):
    number = getattr(errno, name)
    text = (
        f'rsync: [receiver] write failed on "/x (1)": {os.strerror(number)} ({number})\n'
        "rsync error: error in file IO (code 11) at receiver.c(378) [receiver=3.2.7]"
    )
    assert type(rsync.failure(11, text, source, Path("/cluster/1"))) is kind


def test_the_file_that_the_error_names_is_named(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "deep" / "file").read_bytes()
    error = system_errors.cannot("read", tmp_path, caught.value)
    assert str(error).startswith(f"cannot read {tmp_path}/deep/file (No such file or directory): ")


def test_an_error_without_errno_is_transient():
    """As paramiko's, of an SFTP server that says no more than "Failure"."""
    error = system_errors.cannot("read", "daq:/live_data", OSError("Failure"))
    assert type(error) is TransientError
    assert str(error).startswith("cannot read daq:/live_data (Failure): ")
