"""Switch to the new lineage of runs after a comparison."""

from contextlib import suppress
from pathlib import Path

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.state import compared, lineages
from xamsflow.state.lineages import Kept


def accept(processed: Path, run: str, by: str, reason: str = "") -> Kept:
    """Switch to the new lineage of a run, if it has been compared with the earlier one.

    Returns the record, even if the new lineage is already in use. Raises ConfigurationError if no
    earlier lineage is kept, or if the run has not been reprocessed and then compared. Missing data
    need no comparison.
    """
    kept = lineages.kept(processed, run)
    if lineages.is_in_force(processed, kept):
        check_remade(processed, kept)
        check_compared(processed, kept)
    return lineages.accept(processed, run, by, reason)


def release_gone(processed: Path, run: str, by: str, reason: str) -> None:
    """Switch to the current settings if none of the earlier data of a run are still stored.

    A damaged record stays as it is; whoever reads it reports what to do.
    """
    with suppress(BadDataError):
        kept = lineages.read(processed, run)
        if kept is not None and not lineages.stored(processed, kept):
            lineages.accept(processed, run, by, reason)


def is_remade(processed: Path, kept: Kept) -> bool:
    """Return whether the published lineage differs from the earlier one."""
    new = lineages.published(processed, kept.run_id)
    return any(kept.earlier.get(data_type) != one for data_type, one in new.items())


def check_remade(processed: Path, kept: Kept) -> None:
    """Raise ConfigurationError if a run was not reprocessed since its lineage was kept."""
    if not is_remade(processed, kept):
        raise ConfigurationError(
            f"run {kept.run_id} has only its earlier data: it has not been reprocessed",
            f"`xamsflow reprocess {int(kept.run_id)} --beside`, then wait until it is done",
        )


def check_compared(processed: Path, kept: Kept) -> None:
    """Raise ConfigurationError unless all new data have been compared with the earlier data."""
    new = lineages.published(processed, kept.run_id)
    changed = {
        data_type: (old, new[data_type])
        for data_type, old in lineages.stored(processed, kept).items()
        if new.get(data_type, old) != old
    }
    receipt = compared.read(kept.run_id)
    if receipt is None:
        seen, since = {}, ""
    else:
        seen = {name: (old, receipt.new.get(name)) for name, old in receipt.old.items()}
        since = " since it was reprocessed"
    lacking = sorted(name for name, both in changed.items() if seen.get(name) != both)
    if lacking:
        which = f"{', '.join(lacking)} of " if len(lacking) < len(changed) else ""
        raise ConfigurationError(
            f"{which}run {kept.run_id} has not been compared{since}",
            f"first see what changed: `xamsflow compare {int(kept.run_id)}`",
        )
