import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.sshd import Sshd, make_key, running_sshd
from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.remote import ssh
from xamsflow.settings.config import SshHost


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("an sshd with 100%")) as running:
        yield running


def run(target: SshHost) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ssh.command(target), target.host, "echo $((6*7))"],
        capture_output=True,
        text=True,
        check=False,
    )


def refused(target: SshHost, error_type: type[XamsflowError]) -> str:
    """Return the message; both ways must refuse."""
    with pytest.raises(error_type) as caught, ssh.connect(target):
        pass
    assert run(target).returncode == 255
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_connects(server: Sshd) -> None:
    with ssh.connect(server.target()) as client:
        _, stdout, _ = client.exec_command("echo $((6*7))")
        assert stdout.read() == b"42\n"
        transport = client.get_transport()
    assert transport is not None
    assert not transport.is_active()


def test_command_connects(server: Sshd) -> None:
    answer = run(server.target())
    assert (answer.stdout, answer.stderr) == ("42\n", "")


def test_unknown_host(server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("")
    message = refused(server.target(known_hosts=known_hosts), ConfigurationError)
    assert "not known" in message
    assert "ssh-keyscan" in message
    assert known_hosts.read_text() == ""


def test_changed_host_key(server: Sshd, tmp_path: Path) -> None:
    known_hosts, other = tmp_path / "known_hosts", tmp_path / "other"
    make_key(other)
    known_hosts.write_text(f"[127.0.0.1]:{server.port} {Path(f'{other}.pub').read_text()}")
    message = refused(server.target(known_hosts=known_hosts), ConfigurationError)
    assert "has changed" in message
    assert "ssh-keygen" in message


def test_missing_known_hosts(server: Sshd, tmp_path: Path) -> None:
    message = refused(server.target(known_hosts=tmp_path / "none"), ConfigurationError)
    assert str(tmp_path / "none") in message


def test_damaged_known_hosts(server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("[127.0.0.1]:22 ssh-ed25519 x\n")
    assert "known_hosts" in refused(server.target(known_hosts=known_hosts), ConfigurationError)


def test_refused_key(server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    message = refused(server.target(identity_file=tmp_path / "stranger"), ConfigurationError)
    assert "refused" in message
    assert "authorized_keys" in message


def test_missing_identity_file(server: Sshd, tmp_path: Path) -> None:
    message = refused(server.target(identity_file=tmp_path / "none"), ConfigurationError)
    assert str(tmp_path / "none") in message


def test_no_usual_key(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with (
        pytest.raises(ConfigurationError, match="refused the login"),
        ssh.connect(server.target(identity_file=None)),
    ):
        pass


def test_passphrase(server: Sshd, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "key")],
        check=True,
    )
    message = refused(server.target(identity_file=tmp_path / "key"), ConfigurationError)
    assert "passphrase" in message


def test_connection_refused(server: Sshd) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets the port either
        message = refused(server.target(port=closed.getsockname()[1]), TransientError)
    assert "Connection refused" in message


def test_unknown_name(server: Sshd) -> None:
    assert "nowhere.invalid" in refused(server.target(host="nowhere.invalid"), TransientError)


def test_connection_dropped(server: Sshd) -> None:
    """A server that closes the connection at once, as sshd above its limit of connections does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(2):
                listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        refused(server.target(port=listener.getsockname()[1]), TransientError)
        thread.join()


def test_paths_that_openssh_cannot_use() -> None:
    with pytest.raises(ConfigurationError, match="quotes"):
        ssh.command(SshHost("daq", identity_file=Path('/a"b')))


def test_defaults_are_left_to_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    options = " ".join(ssh.command(SshHost("daq")))
    assert "BatchMode=yes" in options
    assert "StrictHostKeyChecking=yes" in options
    for left in ("-l", "IdentityFile", "UserKnownHostsFile"):
        assert left not in options


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's ~/.ssh/config."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path / ".ssh" / "config"


def both_say(target: SshHost) -> tuple[str, str]:
    """Return what a command prints over both ways."""
    with ssh.connect(target) as client:
        _, stdout, _ = client.exec_command("echo $((6*7))")
        said = stdout.read().decode().strip()
    answer = run(target)
    return said, answer.stdout.strip() or answer.stderr


@pytest.mark.parametrize(
    "proxy", ["", "ProxyJump jump", "ProxyCommand ssh -F {config} -W %h:%p jump"]
)
def test_an_alias_and_a_jump_host_lead_both_ways_to_the_same_host(
    server: Sshd, config: Path, proxy: str
) -> None:
    reach = (
        f"  HostName 127.0.0.1\n  Port {server.port}\n"
        f'  IdentityFile "{str(server.identity_file).replace("%", "%%")}"\n'
        f'  UserKnownHostsFile "{config.parent}/known"\n'
    )
    (config.parent / "known").write_text(server.known_hosts.read_text())
    config.write_text(
        f"Host daq\n{reach}  RemoteCommand false\n  {proxy.format(config=config)}\n"
        f"Host jump\n{reach}"
    )
    before = server.log.read_text().count("Accepted publickey")
    given = {} if not proxy else {"known_hosts": server.known_hosts}
    target = SshHost("daq", **given)  # type: ignore[arg-type]
    assert both_say(target) == ("42", "42")
    logins = server.log.read_text().count("Accepted publickey") - before
    assert logins == (4 if proxy else 2)


def test_an_unknown_name_without_a_dot_is_an_unknown_alias(config: Path) -> None:
    config.write_text("Host other\n  HostName 127.0.0.1\n")
    message = refused(SshHost("daq-of-xams"), ConfigurationError)
    assert "no alias of this name" in message


def test_marked_lines_of_known_hosts_are_understood(server: Sshd, tmp_path: Path) -> None:
    own, (_, *key) = server.known_hosts.read_text(), server.known_hosts.read_text().split()
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"# a remark\n\n@cert-authority *.nikhef.nl {' '.join(key)}\n{own}")
    assert both_say(server.target(known_hosts=known_hosts)) == ("42", "42")
    known_hosts.write_text(f"{own}@revoked {own}")
    assert "is revoked" in refused(server.target(known_hosts=known_hosts), ConfigurationError)


def test_too_many_keys_are_named(tmp_path: Path, server: Sshd, config: Path) -> None:
    keys = []
    for number in range(8):
        make_key(tmp_path / f"key{number}")
        keys.append(f"IdentityFile {tmp_path}/key{number}\n")
    config.write_text("".join(keys))
    message = refused(server.target(identity_file=None), ConfigurationError)
    assert "too many keys were tried (8, agent included)" in message
