"""Bring a run's live data here."""

from xamsflow import jobs

jobs.transfer(
    run_id=snakemake.wildcards.run_id,
    settings=snakemake.config,
    receipt=snakemake.output[0],
    log=snakemake.log[0],
)
