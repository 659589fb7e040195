"""Make a data type of a run, and all data types below it."""

import signal
import sys

# No traceback on Ctrl-C while modules are imported; later it is handled.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from xamsflow import jobs  # noqa: E402

run_id, data_type, threads, transfer_receipt, receipt, log = sys.argv[1:]
jobs.process(
    run_id=run_id,
    data_type=data_type,
    transfer_receipt=transfer_receipt,
    receipt=receipt,
    log=log,
    threads=int(threads),
)
