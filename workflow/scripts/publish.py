"""Tell everybody what became of a run."""

from xamsflow import jobs

jobs.publish(
    run_id=snakemake.wildcards.run_id,
    settings=snakemake.config,
    transfer_receipt=snakemake.input[0],
    data_type_receipts=snakemake.input[1:],
    receipt=snakemake.output[0],
    log=snakemake.log[0],
)
