# Compute a data type of a run, and all data types below it.
#
# Needs:  <storage.live_data>/<run_id>/ and results/<run_id>/transfer.json.
# Leaves: strax data in <storage.processed>/ and results/<run_id>/<data_type>.json.


rule process:
    input:
        layout.TRANSFER_RECEIPT,
    output:
        report(
            layout.DATA_TYPE_RECEIPT,
            caption="../report/process.rst",
            category="Runs",
            subcategory="{run_id}",
            labels={"stage": "{data_type}"},
        ),
    log:
        layout.PROCESS_LOG,
    # Finish a run before the next one starts.
    priority: 1
    conda:
        "../envs/xamsflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing_time(60),
    params:
        settings=settings_of_data,
    message:
        "Run {wildcards.run_id}: process {wildcards.data_type}"
    shell:
        script_of_run("process.py")
        + " {wildcards.run_id} {wildcards.data_type} {threads} {input:q} {output:q} {log:q}"
