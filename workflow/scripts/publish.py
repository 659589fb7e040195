"""Tell everybody what became of a run."""

import sys

from xamsflow import jobs

run_id, receipt, log, transfer_receipt, *data_type_receipts = sys.argv[1:]
jobs.publish(
    run_id=run_id,
    transfer_receipt=transfer_receipt,
    data_type_receipts=data_type_receipts,
    receipt=receipt,
    log=log,
)
