# What all rules share: the checked configuration, the driver of this process, the paths.
#
# Needs:  the configuration.
# Leaves: nothing. Jobs parse these files again, so parsing uses no database, network or clock.

import gc
import hashlib
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from xamsflow.base import fork_server
from xamsflow.base.errors import XamsflowError
from xamsflow.base.growth import grown
from xamsflow.batch import request
from xamsflow.run import driver, requests
from xamsflow.settings import config as configuration
from xamsflow.settings import data_types
from xamsflow.settings import detector as detectors
from xamsflow.state import layout

try:
    site_files = configuration.site_files()
except XamsflowError as error:
    sys.exit(f"xamsflow: {error}")

# After config/config.yaml. --configfile and --config still override it.
for site_file in site_files:

    configfile: str(site_file)


if configuration.SITE in os.environ:

    # Batch jobs may not inherit the environment of this process.
    envvars:
        configuration.SITE,


try:
    settings = configuration.parse(
        config,
        [*site_files, *workflow.overwrite_configfiles],
        workflow.config_settings.config,
    )
    detector = detectors.load(settings.detector)
    has = data_types.of(detector)
    settings = configuration.of_detector(settings, has)
except XamsflowError as error:
    sys.exit(f"xamsflow: {error}")


# What is stored, and where, depends on these. This is a hash, because Snakemake stores the parameter
# with every result and prints it if it changes, and a detector's values are kilobytes of text.
settings_of_data = hashlib.sha256(
    repr((asdict(detector), settings.context, settings.storage.processed)).encode()
).hexdigest()


def submit_program():
    """Return the program that submits batch jobs, None if the jobs run on this machine."""
    return getattr(workflow.executor_settings, "submit_cmd", None)


# The plugins of another context may provide any data type.
possible_data_types = has if settings.context is None else None

driver.configure(settings, submit_program, possible_data_types)

# The configuration of the scripts: each is a separate process, started from this one.
os.environ |= configuration.to_environment(config)

workflow.localrules(*settings.login_node_rules)


def script(name):
    """Return the command that runs a script; a rule adds the arguments.

    Snakemake's `script:` directive starts the same process, but first imports everything there that
    a script might need from Snakemake, which takes 0.15 s.
    """
    python = "python" if by_conda() else sys.executable
    return without_wildcards([python, str(layout.SCRIPTS / name)])


def script_of_run(name):
    """Return the command that runs a script whose imports many runs need."""
    if by_conda():
        return script(name)
    return without_wildcards(fork_server.command(layout.SCRIPTS / name))


def by_conda():
    """Return whether a rule's own environment comes first on the PATH of its command (--sdm conda)."""
    deployment = workflow.deployment_settings
    return (
        deployment is not None
        and DeploymentMethod.CONDA in deployment.deployment_method
    )


def without_wildcards(command):
    """Return a shell command in which Snakemake finds no wildcards."""
    return shlex.join(command).replace("{", "{{").replace("}", "}}")


def start_fork_server(runs):
    """Start the process that imports what the jobs of these runs need and forks for each job."""
    if runs and not by_conda():
        fork_server.start(
            layout.SCRIPTS / "serve.py", str(runs), log=layout.FORK_SERVER_LOG
        )


if workflow.remote_exec:  # a batch job, which has no hooks
    start_fork_server(int(os.environ.get(request.PROCESSED, "0")))


def runs_jobs():
    """Return whether this process runs jobs, rather than being a dry run, a DAG plot or a job."""
    return (
        workflow.is_main_process
        # Only set if jobs are to be executed; never with --unlock, --summary and --dag.
        and workflow.execution_settings is not None
        and not workflow.dryrun
        and not workflow.touch
    )


def growing(amount):
    """Return a resource that increases each time a run had too little of it."""

    def resource(wildcards, attempt):
        shortages = driver.current().shortages(wildcards.run_id)
        return grown(amount, shortages + attempt - 1)

    return resource


def growing_time(minutes):
    """Return the wall time, in minutes, of a job of a run; short runs need less than others."""

    def resource(wildcards, attempt):
        share = driver.current().minutes(wildcards.run_id)
        return growing(minutes)(wildcards, attempt) if share is None else share

    return resource


def share_batch_jobs():
    """Let short runs share batch jobs, as the driver decided when it claimed the runs.

    No option of Snakemake can express this. Each batch job is a group with its own name.
    """
    groups = workflow.group_settings
    if driver.BATCH_JOB in groups.group_components:  # somebody set another number
        return
    groups.overwrite_groups = {
        name: batch_job if group == driver.BATCH_JOB else group
        for name, group in groups.overwrite_groups.items()
    }
    groups.group_components = driver.current().packs


def start_jobs_at_once():
    """Remove Snakemake's default limit of 100 job starts per second.

    With any limit, each end of a job makes the scheduler look at all waiting jobs again every second
    until none is left, and Snakemake ends up to a second late. Without one, batch jobs are submitted
    one after the other, which takes a quarter of a second each.
    """
    scheduling = workflow.scheduling_settings
    limit = scheduling and scheduling.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduling.max_jobs_per_timespan = None


def batch_job(wildcards):
    """Return the name of the batch job of a run."""
    return driver.current().batch_job(wildcards.run_id)


def runs_to_publish(wildcards):
    """Return the final receipts of the pending runs; claim the runs if jobs will be run."""
    start_jobs_at_once()
    # The objects of the DAG live to the end, and scanning those of thousands of runs repeatedly takes
    # a tenth of the time. `onstart` turns the garbage collector on again.
    gc.disable()
    with driver.errors_end_the_process():
        if runs_jobs():
            runs = driver.current().take_pending()
            share_batch_jobs()
        else:
            runs = driver.current().preview_pending()
    return [layout.RUNDOC_RECEIPT.format(run_id=run) for run in runs]


def receipts_to_publish(wildcards):
    """Return the receipts of one run's transfer and targets; claim the run if jobs will be run."""
    start_jobs_at_once()
    run = wildcards.run_id
    with driver.errors_end_the_process():
        if runs_jobs():
            driver.current().take(run)
        elif workflow.is_main_process:
            driver.current().preview(run)
    return [
        layout.TRANSFER_RECEIPT.format(run_id=run),
        *(
            layout.DATA_TYPE_RECEIPT.format(run_id=run, data_type=target)
            for target in driver.current().targets(run)
        ),
    ]


def unpublished(wildcards):
    """Return the outcome of a run that must be published first; nothing if it is published."""
    rundoc = layout.RUNDOC_RECEIPT.format(run_id=wildcards.run_id)
    published = Path(rundoc).exists() and not requests.names(
        workflow.dag_settings.targets, rundoc
    )
    return [] if published else [rundoc]


def changed(*files):
    """Return when files last changed, as the parameter of a rule that must not produce them."""
    times = [
        str(Path(file).stat().st_mtime_ns) for file in files if Path(file).exists()
    ]
    return hashlib.sha256(" ".join(times).encode()).hexdigest()


def refuse(wildcards):
    """Stop the process, because the requested file cannot be produced."""
    with driver.errors_end_the_process():
        requests.refuse(wildcards.impossible, possible_data_types)


def followed_first(wildcards):
    """Return the receipt of a run that is followed during data taking; nothing for other runs."""
    followed = driver.current().follows(wildcards.run_id)
    return [layout.FOLLOW_RECEIPT] if followed else []


def receipts_on_disk():
    """Return the existing receipts: a newer one makes the page out of date."""
    return sorted(
        str(path)
        for pattern in (layout.TRANSFER_RECEIPT, layout.RUNDOC_RECEIPT)
        for path in Path().glob(pattern.format(run_id="[0-9]" * 6))
    )


def quantities_on_disk():
    """Return the existing quantities of runs: newer ones make the trends out of date."""
    pattern = layout.QUANTITIES.format(run_id="[0-9]" * 6)
    return sorted(map(str, Path().glob(pattern)))


wildcard_constraints:
    run_id=layout.RUN_ID_PATTERN,
    data_type=requests.data_type_pattern(possible_data_types),
    impossible=requests.impossible_pattern(possible_data_types),
