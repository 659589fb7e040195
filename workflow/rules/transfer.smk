# Copy a run's live data from the DAQ host.
#
# Needs:  the run document in the run database, the run's folder on the DAQ host; a run that is
#         being followed must have been followed to its end.
# Leaves: <storage.live_data>/<run_id>/, verified, and results/<run_id>/transfer.json.


rule transfer:
    input:
        followed_first if settings.select.follow else [],
    output:
        report(
            layout.TRANSFER_RECEIPT,
            caption="../report/transfer.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "transfer"},
        ),
    log:
        layout.TRANSFER_LOG,
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing_time(120),
    message:
        "Run {wildcards.run_id}: transfer from the DAQ host"
    shell:
        script_of_run("transfer.py") + " {wildcards.run_id} {output:q} {log:q}"
