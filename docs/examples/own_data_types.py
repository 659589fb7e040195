"""A data type of your own: the ratio of charge to light of each event.

`context: own_data_types.context` in the settings adds it to a site.
"""

import numpy as np
import strax

from xamsflow.data.context import context as xamsflow_context


@strax.takes_config(
    strax.Option("ratio_min_area", default=10.0, help="S1s below this area have no ratio, PE")
)
class ChargeToLight(strax.Plugin):
    """The ratio of the corrected areas of the main S2 and S1."""

    __version__ = "0.1.0"
    depends_on = "event_info"
    provides = "charge_to_light"
    data_kind = "events"
    allow_superrun = True
    dtype = (
        *strax.time_fields,
        (("Ratio of cS2 to cS1, decimal logarithm", "log_ratio"), np.float32),
    )

    def compute(self, events):
        """Return one row per event; NaN without a large enough S1 and an S2."""
        result = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        result["log_ratio"] = np.nan
        both = (events["cs1"] >= self.config["ratio_min_area"]) & (events["cs2"] > 0)
        result["log_ratio"][both] = np.log10(events["cs2"][both] / events["cs1"][both])
        return result


def context(detector, processed, config):
    """Return the context of a site, with the data type of this file."""
    made = xamsflow_context(detector, processed, config)
    made.register(ChargeToLight)
    return made
