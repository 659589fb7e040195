"""The picture of a run, made from what is stored, however far the run has come.

::

    contents  the numbers and histograms to show
    picture   draws them
"""

from collections.abc import Sequence
from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import publish
from xamsflow.settings.detector import Detector
from xamsflow.state import layout
from xamsflow.state.receipts import Receipt
from xamsflow.views.overview import contents, picture

__all__ = ["make", "make_run"]


def make_run(run: str, detector: Detector, output: Path) -> None:
    """Draw what the receipts in the working directory tell of a run.

    Raises ConfigurationError if it has no receipt.
    """
    transferred, made = publish.receipts_on_disk(run)
    if transferred is None and not made:
        raise ConfigurationError(
            f"run {run}: {layout.transfer_receipt(run).parent} has no receipt whose data are here",
            "process the run first",
        )
    make(transferred, made, detector, output)


def make(
    transferred: Receipt | None, made: Sequence[Receipt], detector: Detector, output: Path
) -> None:
    """Draw what the receipts of a run tell of, and the strax data that they name.

    Whatever is not there is said to be missing. No more than a chunk of a data type is in memory
    at a time. Raises ConfigurationError or ResourcesError where `output` cannot be written.
    """
    picture.draw(contents.collect(transferred, made, detector), output)
