# Show people the results. A failure here does not affect any run.
#
# Needs:  the strax data and receipts of a published run; the run documents.
# Leaves: results/<run_id>/overview.png, results/index.html.


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
        mem_mb=1500,
        runtime=15,
    message:
        "Run {wildcards.run_id}: draw its picture"
    shell:
        script("overview.py") + " {wildcards.run_id} {output:q} {log:q}"


rule page:
    input:
        receipts_on_disk,
    output:
        report(
            layout.PAGE,
            caption="../report/page.rst",
            category="All runs",
            labels={"stage": "page"},
        ),
    log:
        layout.PAGE_LOG,
    benchmark:
        layout.PAGE_BENCHMARK
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Write the page of all runs"
    shell:
        script("page.py") + " {log:q}"
