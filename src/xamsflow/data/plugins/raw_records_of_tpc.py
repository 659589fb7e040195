"""The raw records of the TPC under the name that strax users know: ``raw_records``."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.settings import options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]


def raw_records(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``raw_records``."""
    channels = tpc.signals.channels
    below = f"raw_records_{tpc.signals.digitizer}"

    class RawRecordsOfTpc(_RawRecordsOfTpc):
        depends_on = below
        takes_config = options((("channels", list(channels), CHANNELS),)) | OF_DISPLAYS

    return RawRecordsOfTpc


CHANNELS = "Channels, in the order of arrays by channel"
OF_DISPLAYS = {
    name: strax.Option(name, default=None, track=False, infer_type=False, help=text)
    for name, text in (
        ("n_tpc_pmts", "Number of channels, for straxen's mini-analyses"),
        ("gain_model", "Address of the gains, for straxen's mini-analyses"),
    )
}
"""Read by mini-analyses only; strax warns of options that no plugin takes."""


class _RawRecordsOfTpc(strax.Plugin):  # type: ignore[misc]
    """Made when it is read: the digitizer's raw records are stored."""

    __version__ = "1.0.0"
    provides = "raw_records"
    data_kind = "raw_records"
    save_when = strax.SaveWhen.EXPLICIT

    def infer_dtype(self) -> Any:
        """Return the fields of the digitizer's raw records."""
        (below,) = self.depends_on
        return self.deps[below].dtype_for(below)

    def compute(self, **inputs: Array) -> Array:
        """Return the records of the TPC's channels."""
        (records,) = inputs.values()
        return records[np.isin(records["channel"], self.config["channels"])]
