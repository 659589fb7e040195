"""Where run document, receipts, strax data, live data, claims and batch queue disagree on a run.

The evidence is gathered per run (`evidence`) and looked at by one small function per kind of
disagreement, which gives the finding and its repair side by side: `receipt_files`, `live_data`,
`strax_data`, `entries`, `status` and `claims`. Looking writes nothing. A repair deletes no data:
what is wrong is renamed into a folder ``.set_aside`` beside it.
"""

from xamsflow.operate.reconcile.disagreement import Disagreement
from xamsflow.operate.reconcile.evidence import Sources
from xamsflow.operate.reconcile.reconcile import Outcome, reconcile

__all__ = ["Disagreement", "Outcome", "Sources", "reconcile"]
