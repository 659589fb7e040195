"""Put the new lineage of runs in force once they were compared."""

from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import compared, lineages
from xamsflow.state.lineages import Hashes, Kept


def accept(processed: Path, run: str, by: str, reason: str = "") -> Kept:
    """Put the new lineage of a run in force, after it was compared with the earlier one.

    Returns the record, also if the new lineage is in force already. Raises ConfigurationError if no
    earlier lineage is kept, if the run has not been remade, or if it was not compared since.
    """
    kept = lineages.kept(processed, run)
    if not kept.accepted:
        check_compared(run, kept.earlier, remade(processed, kept))
    return lineages.accept(processed, run, by, reason)


def remade(processed: Path, kept: Kept) -> Hashes:
    """Return the lineage hashes of what was published since the earlier lineage was kept.

    Raises ConfigurationError if it is the earlier lineage.
    """
    new = lineages.published(processed, kept.run_id)
    if all(kept.earlier.get(data_type) == one for data_type, one in new.items()):
        raise ConfigurationError(
            f"run {kept.run_id} has only its earlier data: it has not been remade",
            f"`xamsflow reprocess {int(kept.run_id)} --beside`, and wait until it is done",
        )
    return new


def check_compared(run: str, old: Hashes, new: Hashes) -> None:
    """Raise ConfigurationError unless these two lineages of a run were compared."""
    receipt = compared.read(run)
    if receipt is None or not (_agree(receipt.old, old) and _agree(receipt.new, new)):
        before = "" if receipt is None else " since it was remade"
        raise ConfigurationError(
            f"run {run} was not compared{before}",
            f"look at what changed first: `xamsflow compare {int(run)}`",
        )


def _agree(some: Hashes, all_of_them: Hashes) -> bool:
    return bool(some) and all(all_of_them.get(name) == one for name, one in some.items())
