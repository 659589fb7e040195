# Show people what became of the runs. Where this fails, nothing of a run does.
#
# Needs:  the strax data and receipts of a run that is published.
# Leaves: results/<run_id>/overview.png.


rule overview:
    input:
        layout.RUNDOC_RECEIPT,
    output:
        report(
            layout.OVERVIEW,
            caption="../report/overview.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "picture"},
        ),
    log:
        layout.OVERVIEW_LOG,
    benchmark:
        layout.OVERVIEW_BENCHMARK
    priority: -10
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1500 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    message:
        "Run {wildcards.run_id}: draw its picture"
    shell:
        script("overview.py") + " {wildcards.run_id} {output:q} {log:q}"
