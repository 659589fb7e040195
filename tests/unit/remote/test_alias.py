"""Names of hosts as the user's own OpenSSH understands them."""

from pathlib import Path

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.remote import alias
from xamsflow.settings.config import SshHost


@pytest.fixture(autouse=True)
def own_config(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "a key").touch()
    (tmp_path / "known").touch()
    file = tmp_path / ".ssh" / "config"
    file.write_text(
        f"""
Host xams
    HostName daq.example.org
    User shift
    Port 2222
    IdentityFile "{tmp_path}/a key"
    UserKnownHostsFile {tmp_path}/known
Host far
    ProxyJump gate
"""
    )
    return file


def test_an_alias(tmp_path):
    assert alias.resolve("xams") == SshHost(
        "daq.example.org", 2222, "shift", tmp_path / "a key", tmp_path / "known"
    )


def test_a_plain_name_has_the_defaults_of_ssh():
    assert alias.resolve("xams.nikhef.nl") == SshHost("xams.nikhef.nl")
    assert alias.resolve("xams@xams.nikhef.nl") == SshHost("xams.nikhef.nl", user="xams")


def test_without_a_configuration(own_config):
    own_config.unlink()
    assert alias.resolve("me@xams") == SshHost("xams", user="me")


@pytest.mark.parametrize("name", ["", "-oProxyCommand=touch harm", "a host", "a\nb"])
def test_what_is_no_host(name):
    with pytest.raises(ConfigurationError, match="is not a host"):
        alias.resolve(name)


def test_an_alias_that_leads_through_another_host_stays_an_alias():
    assert alias.resolve("far") == SshHost("far")
    assert alias.resolve("shift@far") == SshHost("far", user="shift")


def test_a_configuration_that_ssh_refuses(own_config):
    own_config.write_text("Nonsense yes\n")
    with pytest.raises(ConfigurationError, match="ssh does not accept"):
        alias.resolve("xams")
