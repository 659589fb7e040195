import os
import signal
from pathlib import Path

import pytest

from servers.sshd import Sshd, descendants, running_sshd
from xamsflow.base.errors import TransientError
from xamsflow.transfer import source


def test_sftp_and_local_see_the_same(tmp_path: Path) -> None:
    run = tmp_path / "daq" / "000001"
    (run / "empty" / "deeper").mkdir(parents=True)
    (run / "file").write_bytes(b"123")
    os.utime(run / "file", (1_600_000_000, 1_600_000_000))
    local = source.find(None, str(run.parent), "000001")
    with running_sshd(tmp_path / "sshd") as server:
        remote = source.find(server.target(), str(run.parent), "000001")
    assert local[1] == remote[1]
    assert local[1] == source.Listing(
        frozenset({"empty", "empty/deeper"}),
        {"file": source.File(3, 1_600_000_000 * source.NS_PER_S)},
    )
    assert local[0].path == remote[0].path == str(run)


def test_links_above_the_run_are_followed(tmp_path: Path) -> None:
    (tmp_path / "disk2" / "000001").mkdir(parents=True)
    (tmp_path / "daq").symlink_to(tmp_path / "disk2")
    with running_sshd(tmp_path / "sshd") as server:
        for host in (None, server.target()):
            folder, listing = source.find(host, str(tmp_path / "daq"), "000001")
            assert folder.path == str(tmp_path / "disk2" / "000001")
            assert listing == source.Listing(frozenset(), {})


def test_host_that_stops_to_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SFTP_TIMEOUT", 0.2)
    (tmp_path / "000001" / "000000").mkdir(parents=True)
    with running_sshd(tmp_path / "sshd") as server:
        scan = source._scan_sftp

        def stop_and_scan(*arguments: object) -> object:
            _freeze(server)
            return scan(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(source, "_scan_sftp", stop_and_scan)
        with pytest.raises(TransientError, match=r"Timeout|timed out|lost"):
            source.find(server.target(), str(tmp_path), "000001")


def _freeze(server: Sshd) -> None:
    assert server.pid is not None
    for pid in descendants(server.pid):
        os.kill(pid, signal.SIGSTOP)
