# Write the outcome of a run to its run document.
#
# Needs:  the receipts of a run's transfer and of its targets, the run database.
# Leaves: data entries and status `done` in the run document, results/<run_id>/rundoc.json.


rule publish:
    input:
        receipts_to_publish,
    output:
        report(
            layout.RUNDOC_RECEIPT,
            caption="../report/publish.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "published"},
        ),
    log:
        layout.PUBLISH_LOG,
    # Finish a run before the next one starts.
    priority: 2
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing_time(10),
    message:
        "Run {wildcards.run_id}: publish in the run document"
    shell:
        script_of_run("publish.py") + " {wildcards.run_id} {output:q} {log:q} {input:q}"
