"""Places that do not answer: a real sshd that ends, a folder that is missing."""

from dataclasses import replace
from pathlib import Path

from servers.sshd import make_key, running_sshd
from xamsflow.operate import places
from xamsflow.settings import config
from xamsflow.settings.config import Daq
from xamsflow.state import layout

LOCAL = layout.REPOSITORY / "profiles" / "local"


def silent(daq: Daq, profile: Path = LOCAL) -> dict[str, str]:
    return places.silent(replace(config.load(), daq=daq), profile)


def test_a_daq_host(tmp_path):
    with running_sshd(tmp_path / "sshd") as server:
        where = server.target()
        assert silent(Daq(ssh=where, live_data=None)) == {}
        make_key(tmp_path / "stranger")
        stranger = server.target(identity_file=tmp_path / "stranger")
        assert list(silent(Daq(ssh=stranger, live_data=None))) == ["the DAQ host 127.0.0.1"]
    ended = silent(Daq(ssh=where, live_data=None))
    assert list(ended) == ["the DAQ host 127.0.0.1"]
    assert "Connection refused" in ended["the DAQ host 127.0.0.1"]


def test_a_folder_of_the_daq(tmp_path):
    assert silent(Daq(ssh=None, live_data=tmp_path)) == {}
    missing = silent(Daq(ssh=None, live_data=tmp_path / "x"))
    assert missing == {"the DAQ's disk": f"{tmp_path / 'x'} is missing"}


def test_a_batch_system_whose_commands_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = silent(Daq(ssh=None, live_data=tmp_path), layout.REPOSITORY / "profiles" / "htcondor")
    assert list(found) == ["the batch system of profile htcondor"]
