"""Make a data type of a run, and all that lies below it."""

from xamsflow import jobs

jobs.process(
    run_id=snakemake.wildcards.run_id,
    data_type=snakemake.wildcards.data_type,
    settings=snakemake.config,
    transfer_receipt=snakemake.input[0],
    receipt=snakemake.output[0],
    log=snakemake.log[0],
    threads=snakemake.threads,
)
