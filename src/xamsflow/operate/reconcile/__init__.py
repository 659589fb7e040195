"""Where run document, receipts, strax data, live data, claims and batch jobs disagree about a run.

Checking writes nothing. A repair deletes no data: it moves wrong files into a folder
``.set_aside`` next to them. Each kind of disagreement is a small function that returns the finding
with its repair.

::

    reconcile      goes through the runs
    evidence       gathers everything that is known about a run
    disagreement   a finding and its repair
    receipt_files  receipts that are damaged or belong to another run
    live_data      live data against the transfer receipt
    strax_data     stored data against receipts
    entries        the data entries of the run document
    documents      the status in the run document
    claims         claims of drivers that have ended
"""

from xamsflow.operate.reconcile.disagreement import Disagreement, set_aside
from xamsflow.operate.reconcile.evidence import Evidence, Sources
from xamsflow.operate.reconcile.reconcile import Outcome, reconcile

__all__ = ["Disagreement", "Evidence", "Outcome", "Sources", "reconcile", "set_aside"]
