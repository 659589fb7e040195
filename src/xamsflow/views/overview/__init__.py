"""The picture of a run, drawn from whatever is stored so far.

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
from xamsflow.views import run_files
from xamsflow.views.overview import contents, picture

__all__ = ["make", "make_run"]


def make_run(run: str, detector: Detector, output: Path) -> None:
    """Draw the picture of a run from its receipts in the working directory.

    Raises ConfigurationError if there are no receipts.
    """
    transferred, made = publish.receipts_on_disk(run)
    if transferred is None and not made:
        raise ConfigurationError(
            f"run {run}: {layout.transfer_receipt(run).parent} has no receipt of data that exist",
            "process the run first",
        )
    log = run_files.last_log(run_files.logs(run))
    make(transferred, made, detector, output, failure=log.failure if log else None)


def make(
    transferred: Receipt | None,
    made: Sequence[Receipt],
    detector: Detector,
    output: Path,
    *,
    failure: str | None = None,
) -> None:
    """Draw the picture of a run from its receipts and the strax data that they name.

    The picture says what is missing, and shows the `failure` of a run without data. At most one
    chunk of a data type is in memory at a time. Raises ConfigurationError or ResourcesError if
    `output` cannot be written.
    """
    picture.draw(contents.collect(transferred, made, detector, failure), output)
