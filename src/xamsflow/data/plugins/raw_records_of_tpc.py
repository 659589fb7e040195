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
        takes_config = options((("channels", list(channels), CHANNELS),))

    return RawRecordsOfTpc


CHANNELS = "Channels, in the order of arrays by channel"


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
