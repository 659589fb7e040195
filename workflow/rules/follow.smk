# Copy and process a run during data taking, if `select.follow` is set.
#
# Needs:  the run document in the run database, the run's growing folder on the DAQ host.
# Leaves: live data and strax data that the rules transfer and process then find complete;
#         results/<run_id>/follow.json.


rule follow:
    output:
        report(
            layout.FOLLOW_RECEIPT,
            caption="../report/follow.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "followed"},
        ),
    log:
        layout.FOLLOW_LOG,
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        # The longest time a run may last, because its length is not known in advance.
        runtime=growing(720),
    message:
        "Run {wildcards.run_id}: follow during data taking"
    shell:
        script_of_run("follow.py") + " {wildcards.run_id} {threads} {output:q} {log:q}"
