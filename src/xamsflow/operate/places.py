"""The hosts and systems that processing depends on, and which of them do not respond."""

from pathlib import Path

from xamsflow.base.errors import XamsflowError
from xamsflow.batch import here
from xamsflow.operate.doctor import Health, batch_system, daq
from xamsflow.remote import ssh
from xamsflow.settings.config import Config


def silent(config: Config, profile: Path) -> dict[str, str]:
    """Return the places that do not respond, each with the reason: DAQ and batch system.

    The run database is not among them, because the caller knows whether it responds.
    """
    reasons = {**_daq(config), **_batch_system(profile)}
    return {place: reason for place, reason in reasons.items() if reason is not None}


def _daq(config: Config) -> dict[str, str | None]:
    host = config.daq.ssh
    if host is None:
        folder = daq.visible(config.daq.live_data)
        return {"the DAQ's disk": folder.value if folder.verdict is Health.PROBLEM else None}
    try:
        with ssh.connect(host):
            return {f"the DAQ host {host.host}": None}
    except XamsflowError as error:
        return {f"the DAQ host {host.host}": str(error)}


def _batch_system(profile: Path) -> dict[str, str | None]:
    system = here.system_of(profile / "submit")
    if system is None:
        return {}
    answer = batch_system.answers(profile.name, system)
    return {
        f"the batch system of profile {profile.name}": (
            answer.value if answer.verdict is Health.PROBLEM else None
        )
    }
