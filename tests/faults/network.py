"""ssh that is refused, dropped, or not whom we know."""

import time

from faults.case import Case
from faults.catalogue import fault
from servers.sshd import make_key


@fault
def ssh_refused_and_back(case: Case) -> None:
    case.prepare(ssh=True)
    case.sshd.kill()
    case.start()
    case.moment("transfer")
    case.sshd.start()


@fault
def ssh_refused_until_the_next_start(case: Case) -> None:
    case.prepare(ssh=True)
    case.sshd.kill()
    case.start()
    case.heal.append(case.sshd.start)


@fault
def ssh_cut_while_copying(case: Case) -> None:
    case.prepare(ssh=True)
    case.start()
    case.process_called("rsync")
    time.sleep(case.random.uniform(0.0, 0.2))
    case.sshd.kill()
    time.sleep(case.random.uniform(0.0, 2.0))
    case.sshd.start()


@fault
def ssh_cut_while_copying_until_the_next_start(case: Case) -> None:
    case.prepare(ssh=True)
    case.start()
    case.process_called("rsync")
    case.sshd.kill()
    case.heal.append(case.sshd.start)


@fault
def host_key_changed(case: Case) -> None:
    """Nothing is transferred from a host that is not the one we know, until a person has looked."""
    case.prepare(ssh=True)
    other = case.folder / "other_key"
    make_key(other)
    right = case.sshd.known_hosts.read_text()
    case.sshd.trust(other)
    case.start()
    case.end()
    for number in case.numbers:
        assert case.document(number)["processing"]["failure"] == "configuration"
    case.sshd.known_hosts.write_text(right)
    for number in case.numbers:
        case.pend(number)


@fault
def tunnel_cut_and_back(case: Case) -> None:
    case.prepare(tunnel=True)
    case.start()
    case.moment("transfer", "process", "publish")
    case.sshd.kill()
    time.sleep(case.random.uniform(0.0, 2.0))
    case.sshd.start()


@fault
def tunnel_cut_until_the_next_start(case: Case) -> None:
    case.prepare(tunnel=True)
    case.start()
    case.moment("transfer", "process", "publish")
    case.sshd.kill()
    case.heal.append(case.sshd.start)
