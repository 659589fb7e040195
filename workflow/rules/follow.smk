# Copy and process a run while it is being taken, if `select.follow` is set.
#
# Needs:  the run document in the run database, the run's growing folder on the DAQ host.
# Leaves: live data and strax data that the rules transfer and process then find complete;
#         results/<run_id>/follow.json.


rule follow:
    input:
        check,
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
        # The longest time a run may take, as its length is not known beforehand.
        runtime=growing(720),
    message:
        "Run {wildcards.run_id}: follow it while it is taken"
    shell:
        script_of_run("follow.py") + " {wildcards.run_id} {threads} {output:q} {log:q}"
