"""What processes the pending runs of a working directory: a watch, or a command to type."""

from collections.abc import Sequence
from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import start
from xamsflow.settings.config import Config
from xamsflow.state import watching


def of_pending_runs(settings: Config, configfiles: Sequence[Path]) -> str:
    """Return one line that says how pending runs get processed here."""
    watch = watching.current()
    if watch is not None and watch.is_well:
        return f"Pending runs are processed by {watch}."
    try:
        command = start.typed(settings.watch.profile, configfiles=configfiles)
    except ConfigurationError as error:
        return f"watch.profile: {error}"
    return f"To process pending runs: {command}"
