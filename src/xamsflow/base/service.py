"""Signs of life for systemd, which restarts a service that gives none; see sd_notify(3)."""

import contextlib
import os
import socket

SOCKET = "NOTIFY_SOCKET"
"""The variable with which systemd says where it listens."""


def is_alive() -> None:
    """Tell systemd, if it started this process, that the process is ready and alive."""
    address = os.environ.get(SOCKET)
    if not address:
        return
    if address.startswith("@"):  # a name outside the file system
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),  # systemd then restarts the service, as it should
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending,
    ):
        sending.sendto(b"READY=1\nWATCHDOG=1", address)
