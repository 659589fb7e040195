# Show people the results. A failure here does not affect any run.
#
# Needs:  the strax data and receipts of a published run; the run documents; the quantities of runs.
# Leaves: results/<run_id>/overview.png, results/index.html, results/trends.html.


rule overview:
    # Drawing a run that is done must not publish it again.
    input:
        unpublished,
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
    params:
        published=lambda wildcards: changed(
            layout.RUNDOC_RECEIPT.format(run_id=wildcards.run_id)
        ),
    message:
        "Run {wildcards.run_id}: draw its picture"
    shell:
        script("overview.py") + " {wildcards.run_id} {output:q} {log:q}"


rule page:
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
    # Not the receipts themselves: writing the page must not process runs.
    params:
        receipts=lambda wildcards: changed(*receipts_on_disk()),
    message:
        "Write the page of all runs"
    shell:
        script("page.py") + " {log:q}"


rule trends:
    output:
        report(
            layout.TRENDS,
            caption="../report/trends.rst",
            category="All runs",
            labels={"stage": "trends"},
        ),
    log:
        layout.TRENDS_LOG,
    benchmark:
        layout.TRENDS_BENCHMARK
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    # Not the quantities themselves: writing the page must not measure them.
    params:
        quantities=lambda wildcards: changed(*quantities_on_disk()),
    message:
        "Write the trends page"
    shell:
        script("trends.py") + " {log:q}"
