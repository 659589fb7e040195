"""Tell everybody what became of a run."""

import signal
import sys

# Ctrl-C while modules are loaded needs no traceback; later it is dealt with.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from xamsflow import jobs  # noqa: E402

run_id, receipt, log, transfer_receipt, *data_type_receipts = sys.argv[1:]
jobs.publish(
    run_id=run_id,
    transfer_receipt=transfer_receipt,
    data_type_receipts=data_type_receipts,
    receipt=receipt,
    log=log,
)
