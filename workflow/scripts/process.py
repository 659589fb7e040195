"""Make a data type of a run, and all data types below it."""

import sys

from xamsflow.base import starting

starting.begin()

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
