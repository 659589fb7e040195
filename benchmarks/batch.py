"""What profiles/stbc costs, on a real Slurm behind Torque's commands, with its real settings.

``python benchmarks/batch.py cost|shared|queue|killed|many [NUMBER]``; the results stand in
docs/how-to/batch-systems.md. Slurm must be installed (``tools/system-packages test``).
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import measuring

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
import site_for_tests
from servers import slurm
from servers.slurm import Slurm
from site_for_tests import Site

# As a job does it: without the garbage collector (xamsflow/jobs.py, _loading).
IMPORT = "import gc, time; gc.disable(); t = time.perf_counter(); import xamsflow.data.processing; "
QUEUE_S = 150.0


@contextmanager
def site_with_slurm() -> Iterator[tuple[Site, Slurm]]:
    """Run a site whose workflow goes through qsub."""
    site_for_tests.PROFILE = layout.REPOSITORY / "profiles" / "stbc"
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
        slurm.running_slurm(cpus=os.cpu_count() or 2) as server,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "batch")
        site.environment = server.environment
        yield site, server


def cost(number: int = 6) -> None:
    """Print what a batch job takes beside strax: one short run after the other."""
    imports = [python(IMPORT + "print(time.perf_counter() - t)") for _ in range(number)]
    print(f"import xamsflow.data.processing: {min(imports):.2f} s, median {middle(imports):.2f} s")
    with site_with_slurm() as (site, _):
        numbers = range(1, number + 2)
        for run in numbers:
            site.add_run(run)
        alone = ("--group-components", "run=1")
        run_to_end(site, "--jobs", "1", "--seconds-between-status-checks", "1", *alone)
        own = [own_cost(site, run, min(imports)) for run in numbers[:-1]]  # the newest was first
    print(f"the workflow's own cost: {min(own):.2f} s, median {middle(own):.2f} s")
    measuring.write("batch_cost", {"fastest (s)": min(own), "median (s)": middle(own)})


def shared(number: int = 30) -> None:
    """Print what a short run takes beside strax if all runs share one batch job."""
    imports = [python(IMPORT + "print(time.perf_counter() - t)") for _ in range(6)]
    print(f"import xamsflow.data.processing: {min(imports):.2f} s, median {middle(imports):.2f} s")
    with site_with_slurm() as (site, _):
        for run in range(1, number + 1):
            site.add_run(run)
        run_to_end(site, "--seconds-between-status-checks", "1")
        (folder,) = (site.work / ".snakemake" / "batch" / "submissions").iterdir()
        work = [work_s(site, run) for run in range(1, number + 1)]
        whole = batch_job_s(site, folder.name)
    own = (whole - min(imports) - sum(work)) / number
    print(f"batch job {whole:.2f} s, strax {sum(work):.2f} s, so beside strax {own:.3f} s per run")
    measuring.write("batch_shared", {"runs": number, "beside strax, per run (s)": own})


def own_cost(site: Site, run: int, imports_s: float) -> float:
    """Return a batch job's wall time without strax's work and import (s)."""
    whole, work = batch_job_s(site, f"run-{layout.run_id(run)}.1"), work_s(site, run)
    print(f"run {run}: batch job {whole:.2f} s, strax {work:.2f} s")
    return whole - work - imports_s


def work_s(site: Site, run: int) -> float:
    """Return how long strax worked on a run (s)."""
    receipts = (site.work / "results" / layout.run_id(run)).glob("*.json")
    return sum(json.loads(path.read_text()).get("wall_time_s", 0) for path in receipts)


def batch_job_s(site: Site, name: str) -> float:
    """Return the wall time of a batch job (s), by the name of its submission."""
    begin = float(
        subprocess.run(
            ["stat", "--format=%.9W", site.work / "logs" / "batch" / f"{name}.log"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    end = (site.work / ".snakemake/batch/submissions" / name / "exit").stat().st_mtime
    return end - begin


def queue(number: int = 500) -> None:
    """Print the driver's CPU while jobs wait in the queue."""
    with site_with_slurm() as (site, server):
        for name in slurm.PARTITIONS:
            server.run("scontrol", "update", f"PartitionName={name}", "State=DOWN")
        # Runs of which only the documents exist: no job gets to start.
        document = site.add_run(1)
        for run in range(2, number + 1):
            site.insert({**document, "number": run, "name": layout.run_id(run)})
        driver = site.start(stdout=subprocess.DEVNULL)
        begin = time.monotonic()
        while len(server.jobs()) < number:
            assert driver.poll() is None
            time.sleep(1)
        print(f"{number} jobs handed in within {time.monotonic() - begin:.0f} s")
        time.sleep(30)
        before, begin = cpu_s(driver.pid), time.monotonic()
        time.sleep(QUEUE_S)
        used, took = cpu_s(driver.pid) - before, time.monotonic() - begin
        print(f"driver and its programs: {100 * used / took:.1f} % of a core over {took:.0f} s")
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()


def killed(number: int = 3) -> None:
    """Print how long after a job was killed its run document says so."""
    with site_with_slurm() as (site, server):
        for attempt in range(number):
            for how in ("scancel --signal=KILL", "SIGKILL of its processes"):
                run = 1 + 2 * attempt + (how[0] == "S")
                site.add_run(run, duration=60.0, rate=300.0)
                driver = site.start(stdout=subprocess.DEVNULL)
                wait_for(site, run, "running")
                time.sleep(1 + 2 * attempt)  # at different times of the driver's round
                (job,) = (
                    path.read_text().strip()
                    for path in site.work.glob(f".snakemake/batch/submissions/*-{run:06d}.1/job")
                )
                pids = re.findall(r"^\d+", server.run("scontrol", "listpids", job), re.MULTILINE)
                begin = time.monotonic()
                if how[0] == "s":
                    server.run("scancel", "--signal=KILL", "--full", job)
                else:
                    for pid in pids:
                        os.kill(int(pid), signal.SIGKILL)
                wait_for(site, run, "failed")
                reason = site.document(run)["processing"]["reason"]
                print(f"{how}: failed after {time.monotonic() - begin:.1f} s: {reason[:80]}")
                driver.wait()


def many(number: int = 100) -> None:
    """Print how long many short runs take, from the start to all of them being done."""
    with site_with_slurm() as (site, _):
        for run in range(1, number + 1):
            site.add_run(run, duration=1.0, rate=20.0)
        begin = time.monotonic()
        run_to_end(site)
        done = [site.status(run) for run in range(1, number + 1)].count("done")
        print(f"{done} of {number} runs done after {time.monotonic() - begin:.0f} s")


def run_to_end(site: Site, *options: str) -> None:
    """Process all pending runs."""
    code = site.start(*options, stdout=subprocess.DEVNULL).wait()
    if code:
        print(f"the driver ended with {code}")


def wait_for(site: Site, run: int, status: str) -> None:
    """Wait until a run document says so."""
    while site.status(run) != status:
        time.sleep(0.1)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its ended children (s)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def python(code: str) -> float:
    """Return the number that a Python of its own prints."""
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )


middle = statistics.median

if __name__ == "__main__":
    measure = {"cost": cost, "shared": shared, "queue": queue, "killed": killed, "many": many}[
        sys.argv[1]
    ]
    measure(*(int(number) for number in sys.argv[2:]))
