"""Processes that end when nobody expects it."""

import os
import resource
import signal
import time

from faults.case import Case
from faults.catalogue import fault


@fault
def driver_killed(case: Case) -> None:
    case.prepare()
    driver = case.start()
    case.moment()
    case.kill(driver.pid)


@fault
def driver_killed_and_the_next_starts_at_once(case: Case) -> None:
    """The dead driver's jobs still work when the next driver wants the same."""
    case.prepare()
    driver = case.start()
    case.moment("transfer", "process")
    case.kill(driver.pid)
    case.end(case.start())


@fault
def everything_killed(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment()
    case.kill_all()


@fault
def transfer_job_killed(case: Case) -> None:
    case.prepare()
    case.start()
    case.kill(case.job("transfer"))


@fault
def rsync_killed(case: Case) -> None:
    case.prepare(ssh=True)
    case.start()
    case.kill(case.process_called("rsync"))


@fault
def process_job_killed(case: Case) -> None:
    case.prepare()
    case.start()
    job = case.job("process")
    time.sleep(case.random.uniform(0.0, 2.0))
    case.kill(job)


@fault
def publish_job_killed(case: Case) -> None:
    case.prepare()
    case.start()
    job = case.job("publish")
    time.sleep(case.random.uniform(0.0, 0.3))
    case.kill(job)


@fault
def driver_terminated(case: Case) -> None:
    case.prepare()
    driver = case.start()
    case.moment()
    case.kill(driver.pid, signal.SIGTERM)


@fault
def transfer_job_terminated(case: Case) -> None:
    case.prepare()
    case.start()
    case.kill(case.job("transfer"), signal.SIGTERM)


@fault
def process_job_terminated(case: Case) -> None:
    case.prepare()
    case.start()
    job = case.job("process")
    time.sleep(case.random.uniform(0.0, 2.0))
    case.kill(job, signal.SIGTERM)


@fault
def publish_job_terminated(case: Case) -> None:
    case.prepare()
    case.start()
    case.kill(case.job("publish"), signal.SIGTERM)


@fault
def ctrl_c(case: Case) -> None:
    """As a terminal does it: to the driver and all below it."""
    case.prepare()
    driver = case.start()
    # Before, it is Python that imports Snakemake, and says so in its own way.
    case.wait(lambda: "Building DAG" in case.said, "a start")
    case.moment()
    os.killpg(driver.pid, signal.SIGINT)


@fault
def two_drivers(case: Case) -> None:
    case.prepare()
    case.start()
    case.end(case.start())


@fault
def two_drivers_and_one_is_killed(case: Case) -> None:
    case.prepare()
    first = case.start()
    second = case.start()
    case.moment("start", "transfer")
    case.kill(case.random.choice([first, second]).pid)
    case.end(second)


@fault
def out_of_memory(case: Case) -> None:
    """The kernel gives a job no more memory."""
    case.prepare()
    case.start()
    job = case.job("process")
    resource.prlimit(job, resource.RLIMIT_AS, (200_000_000, 200_000_000))
    case.seen.add("resources")


@fault
def out_of_time(case: Case) -> None:
    """The job's time is over: the kernel ends it, as a batch system does."""
    case.prepare()
    case.start()
    job = case.job("process")
    resource.prlimit(job, resource.RLIMIT_CPU, (1, 1))
    case.seen.add("unknown")
