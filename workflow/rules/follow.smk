# Bring and process a run while it is being taken, where `select.follow` asks for that.
#
# Needs:  the run's document in the run database, its growing folder on the DAQ host.
# Leaves: what the rules transfer and process then find done; results/<run_id>/follow.json.


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
    benchmark:
        layout.FOLLOW_BENCHMARK
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        # As long as a run may take: nobody knows before.
        runtime=growing(720),
    message:
        "Run {wildcards.run_id}: follow it while it is taken"
    shell:
        script("follow.py") + " {wildcards.run_id} {threads} {output:q} {log:q}"
