"""What straxen's mini-analyses need to know about a TPC: its number of channels and its gains.

Gains differ from run to run. straxen looks such values up through addresses, for which other
packages may register protocols when straxen is imported: the entry point ``straxen`` of this
package leads here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector, Signals

PROTOCOL = "xamsflow"

_known: dict[str, Signals] = {}
"""By the address without its protocol."""


def options(detector: Detector) -> dict[str, Any]:
    """Return the options by which mini-analyses know the channels and gains of a detector's TPC."""
    if detector.tpc is None:
        return {}
    name = f"{detector.name}-{len(_known)}"
    _known[name] = detector.tpc.signals
    return {
        "n_tpc_pmts": max(detector.tpc.signals.channels) + 1,
        "gain_model": f"{PROTOCOL}://{name}?run_id=plugin.run_id",
    }


def gains(name: str, run_id: str | int) -> npt.NDArray[np.float64]:
    """Return the gains of a TPC in a run by channel number, in PE per ADC count and sample.

    Channels outside the TPC have 0. Raises ConfigurationError if there are none for this run.
    """
    signals = _known[name]
    result = np.zeros(max(signals.channels) + 1)
    result[list(signals.channels)] = corrections.of_run(signals.gains, int(run_id))
    return result


def register() -> None:
    """Register the protocol of these addresses; straxen calls this when it is imported."""
    from straxen.config import URLConfig  # noqa: PLC0415 - straxen is being imported

    URLConfig.register(PROTOCOL, gains)
