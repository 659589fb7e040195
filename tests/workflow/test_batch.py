"""The real workflow with profiles/stbc, on a real Slurm behind Torque's commands."""

import os
import re
import signal
from collections.abc import Iterator

import pytest

import site_for_tests
from batch_workflow import press_ctrl_c, wait_until
from daq_for_tests import Daq
from servers import slurm
from servers.slurm import Slurm
from site_for_tests import LONG, Site
from xamsflow.settings import config
from xamsflow.state import layout, receipts

pytestmark = pytest.mark.skipif(
    bool(slurm.missing()), reason=f"not installed: {', '.join(slurm.missing())}"
)

SHARED = ("--seconds-between-status-checks", "1", "--latency-wait", "5")
FAST = (*SHARED, "--group-components", "run=1")
"""Each run has a batch job of its own."""


@pytest.fixture(scope="module")
def server() -> Iterator[Slurm]:
    with slurm.running_slurm() as running:
        yield running


@pytest.fixture
def batch(site: Site, server: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose workflow runs through qsub."""
    monkeypatch.setattr(site_for_tests, "PROFILE", layout.REPOSITORY / "profiles" / "stbc")
    site.environment = server.environment | {"XAMSFLOW_BATCH_INTERVAL_S": "1"}
    yield site
    for job in server.jobs():
        server.run("scancel", "--signal=KILL", job, check=False)


def running_job(site: Site, number: int) -> str:
    """Return a run's batch job once the run document says that it runs."""
    wait_until(lambda: site.status(number) == "running", f"run {number} runs")
    (job,) = site.work.glob(f".snakemake/batch/submissions/*-{number:06d}.*/job")
    return job.read_text().strip()


def test_one_ends_done_one_is_deleted_one_is_missing(batch: Site, server: Slurm) -> None:
    batch.add_run(931)
    batch.add_run(932, **LONG)
    batch.add_run(933, on_disk=False)
    driver = batch.fork(*FAST)
    server.run("qdel", running_job(batch, 932))
    wait_until(lambda: batch.status(932) == "failed", "the run document knows", timeout_s=60)
    said, _ = driver.communicate(timeout=120)

    assert driver.returncode == 1
    assert batch.status(931) == "done", said
    assert batch.document(931)["processing"]["job_id"]
    deleted = batch.document(932)["processing"]
    assert deleted["failure"] == "transient"
    assert "canceled in the batch system" in deleted["reason"]
    missing = batch.document(933)["processing"]
    assert batch.status(933) == "failed"
    assert missing["stage"] == "transfer", "not another rule of the batch job"
    assert "missing" in missing["reason"]
    assert [batch.document(n)["processing_failed"] for n in (932, 933)] == [1, 1]
    told = re.findall(r"run (\d+): (\w+) failed: ", said)
    twice = ["000932", "000932", "000933", "000933"]
    assert sorted(run for run, _ in told) == twice, "when it happens, and at the end"
    assert ("000933", "transfer") in told


def test_rules_of_the_login_node_run_with_the_driver(batch: Site) -> None:
    batch.configure(login_node_rules=["transfer", "publish"])
    batch.add_run(931)

    done = batch.snakemake(*FAST, "--groups", "process=run", "--local-cores", "2")

    assert done.returncode == 0, done.stdout
    assert batch.status(931) == "done"
    (job,) = batch.work.glob(".snakemake/batch/submissions/*/job")
    told = {
        entry["stage"]: entry.get("job_id")
        for entry in batch.document(931)["processing"]["history"]
        if entry["to"] == "running"
    }
    assert told == {"transfer": None, "process": job.read_text().strip(), "publish": None}


def test_a_killed_driver_s_jobs_are_taken_over_and_not_repeated(batch: Site) -> None:
    batch.add_run(931, **LONG)
    driver = batch.start(*FAST)
    running_job(batch, 931)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()

    done = batch.snakemake(*FAST)

    assert done.returncode == 0, done.stdout
    assert batch.status(931) == "done"
    assert len(list(batch.work.glob(".snakemake/batch/submissions/*"))) == 1


def test_ctrl_c_gives_the_runs_back(batch: Site, server: Slurm) -> None:
    batch.add_run(931, **LONG)
    driver = batch.start(*FAST)
    running_job(batch, 931)
    # Once the transfer has ended, the next rule waits here.
    with batch.busy(931):
        press_ctrl_c(driver)
        wait_until(lambda: not server.jobs(), "all batch jobs are gone")

    assert batch.status(931) == "pending", batch.document(931)["processing"]
    assert batch.document(931).get("processing_failed", 0) == 0


def test_a_run_that_ran_out_of_memory_asks_for_more(batch: Site) -> None:
    def asked(number: int) -> int:
        (about,) = batch.work.glob(f".snakemake/batch/submissions/*-{number:06d}.*/request.json")
        return int(receipts.read(about)["memory_mb"])

    batch.add_run(931)
    batch.add_run(932)
    batch.collection.update_one(
        {"number": 932},
        {
            "$set": {
                "processing_status": "failed",
                "processing.tries_by_class": {"resources": 1, "transient": 3},
                "processing.retry_at": batch.document(932)["start"],
            }
        },
    )
    done = batch.snakemake(*FAST)
    assert done.returncode == 0, done.stdout
    assert batch.status(932) == "done"
    assert asked(932) == 2 * asked(931)


def test_a_run_is_followed_in_its_batch_job_even_if_the_driver_dies(batch: Site) -> None:
    batch.configure(select={"follow": True}, follow={"interval_s": 0.3})
    daq = Daq(batch, 931, status="pending", duration=8.0)
    try:
        driver = batch.start(*FAST)
        running_job(batch, 931)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
        done = batch.snakemake(*FAST)
    finally:
        daq.crash()

    assert done.returncode == 0, done.stdout
    assert batch.status(931) == "done"
    assert len(list(batch.work.glob(".snakemake/batch/submissions/*"))) == 1
    followed = receipts.read(batch.work / layout.FOLLOW_RECEIPT.format(run_id="000931"))
    assert followed["processed"], followed["reason"]


def test_a_batch_job_reads_the_site_s_settings_wherever_they_are(batch: Site) -> None:
    batch.add_run(931)
    batch.configfile.rename(batch.work / "ours.yaml")
    batch.configfile.write_text("{}")
    # As with Torque, a job inherits nothing from the driver's environment.
    batch.environment |= {config.SITE: "ours.yaml", "SBATCH_EXPORT": "NONE"}

    done = batch.snakemake(*FAST)

    assert done.returncode == 0, done.stdout
    assert batch.status(931) == "done"


def test_short_runs_share_a_batch_job_and_nothing_else(batch: Site, server: Slurm) -> None:
    batch.add_run(941)
    batch.add_run(942, on_disk=False)
    batch.add_run(943)
    done = batch.snakemake(*SHARED)

    assert done.returncode == 1
    assert [batch.status(n) for n in (941, 942, 943)] == ["done", "failed", "done"]
    (job,) = batch.work.glob(".snakemake/batch/submissions/*/job")
    assert batch.document(943)["processing"]["job_id"] == job.read_text().strip()
    about = receipts.read(job.parent / "request.json")
    assert (about["cores"], about["memory_mb"], about["runtime_min"]) == (1, 3000, 9)
    assert {values["run_id"] for _, values in about["members"]} == {"000941", "000942", "000943"}
    assert "missing" in batch.document(942)["processing"]["reason"]
    assert "2 done, 1 failed, 0 released" in done.stdout
    errors = done.stdout.partition("Error in group")[2]
    assert "results/000942" in errors
    assert "results/000943" not in errors

    # The run during which a batch job ends has failed; those that had not begun have not.
    batch.collection.delete_one({"number": 942})
    for number in (944, 945, 946):
        batch.add_run(number)
    with batch.busy(945):
        driver = batch.fork(*SHARED)
        begun = batch.work / layout.TRANSFER_LOG.format(run_id="000945")
        wait_until(begun.exists, "run 945 waits for its lock", timeout_s=150)
        (shared,) = batch.work.glob(".snakemake/batch/submissions/runs-000946.*/job")
        server.run("qdel", shared.read_text().strip())
        said, _ = driver.communicate(timeout=150)
    ended = {n: batch.document(n) for n in (944, 945, 946)}
    assert (ended[945]["processing_status"], ended[945]["processing_failed"]) == ("failed", 1), said
    assert "canceled in the batch system" in ended[945]["processing"]["reason"]
    for neighbour in (ended[944], ended[946]):
        assert neighbour["processing_status"] in ("done", "pending"), said
        assert neighbour.get("processing_failed", 0) == 0
