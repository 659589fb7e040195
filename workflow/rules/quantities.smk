# Measure the quantities of a run: rates, areas, lifetime, noise, gains ...
#
# Needs:  the strax data and receipts of a published run.
# Leaves: results/<run_id>/quantities.json. A failure here does not affect any run.


rule quantities:
    # Measuring a run that is done must not publish it again.
    input:
        unpublished,
    output:
        report(
            layout.QUANTITIES,
            caption="../report/quantities.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "quantities"},
        ),
    log:
        layout.QUANTITIES_LOG,
    benchmark:
        layout.QUANTITIES_BENCHMARK
    priority: -10
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        published=lambda wildcards: changed(
            layout.RUNDOC_RECEIPT.format(run_id=wildcards.run_id)
        ),
    message:
        "Run {wildcards.run_id}: measure its quantities"
    shell:
        script("quantities.py") + " {wildcards.run_id} {log:q}"
