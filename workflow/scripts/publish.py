"""Write the outcome of a run to its run document."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

run_id, receipt, log, transfer_receipt, *data_type_receipts = sys.argv[1:]
jobs.publish(
    run_id=run_id,
    transfer_receipt=transfer_receipt,
    data_type_receipts=data_type_receipts,
    receipt=receipt,
    log=log,
)
