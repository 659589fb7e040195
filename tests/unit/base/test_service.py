"""Signs of life on a real socket, as systemd opens one."""

import socket

import pytest

from xamsflow.base import service


@pytest.mark.parametrize("hidden", [False, True])
def test_systemd_hears_that_it_is_alive(tmp_path, monkeypatch, hidden):
    address = f"@{tmp_path}" if hidden else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1))
        listening.settimeout(10)
        monkeypatch.setenv(service.SOCKET, address)
        service.is_alive()
        assert listening.recv(100).split() == [b"READY=1", b"WATCHDOG=1"]


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setenv(service.SOCKET, str(tmp_path / "nothing"))
    service.is_alive()
    monkeypatch.delenv(service.SOCKET)
    service.is_alive()
