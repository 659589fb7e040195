"""Campaigns: what is foreseen and what it takes, and whether nothing is lost if things are killed.

``python benchmarks/campaign.py calm [NUMBER]``: runs of some seconds of processing each are made
again on this machine. Printed: what was foreseen, what it took, and what comparing them took.

``python benchmarks/campaign.py disturbed [NUMBER [SEED [TIMES]]]``: tiny runs on a real Slurm,
through profiles/stbc, while drivers and jobs are killed at random. Checked afterwards: each run was
requested and done once, the old data are the same byte for byte, and the campaign can be accepted
only after a comparison. If it is disturbed 0 times, this shows how good the forecast is.
"""

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any

import measuring
import yaml
from batch import site_with_slurm

from xamsflow import rundb
from xamsflow.operate import forecast
from xamsflow.settings import config
from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from servers.slurm import Slurm
from site_for_tests import Site

FIRST = 2000

NAP_S = (10.0, 40.0)
"""Shortest and longest time between two disturbances."""

SETTINGS: dict[str, Any] = {
    "targets": ["event_basics"],
    "retry": {"first_pause_s": 1, "longest_pause_s": 2, "unknown": 50, "transient": 50},
}


LEARN_FROM = 6
"""The number of runs that are reprocessed first: enough for jobs to share compiled functions."""

CALM = {"duration": 30.0, "rate": 2000.0, "chunk_length": 5.0, "chunk_overlap": 0.5}


def calm(number: int = 40) -> None:
    """Process runs, make them again in a campaign, print and write what was foreseen."""
    runs = range(FIRST, FIRST + number)
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "calm", SETTINGS)
        for run in runs:
            site.add_run(run, **CALM)
        drive_to_end(site, runs)
        change_threshold(site, 16)
        learn_from_few(site, runs[:LEARN_FROM])
        change_threshold(site, 17)
        check(site.verb("campaign", "new", "gains", "--runs", f"{runs[0]}-{runs[-1]}"))
        foreseen = foresee(site)
        check(site.verb("campaign", "start", "gains", "--yes"))
        began = time.time()
        drive_to_end(site, runs)
        took = last_done(site, runs) - began
        used = [use for run in runs if (use := cpu_s(site, run)) is not None]
        began = time.monotonic()
        check(site.verb("compare", f"{runs[0]}-{runs[-1]}"))
        result = {
            "runs": number,
            "foreseen (s)": foreseen.wall_s,
            "took (s)": took,
            "CPU foreseen (s)": foreseen.cpu_s,
            "CPU of jobs (s)": sum(used),
            "compare, per run (s)": (time.monotonic() - began) / number,
        }
        print(measuring.table([result]))
        measuring.write("campaign-calm", result)


def disturbed(number: int = 100, seed: int = 1, times: int = 8) -> None:
    """Process runs, make them again in a campaign that is disturbed, check, print and write."""
    chance = random.Random(seed)
    runs = range(FIRST, FIRST + number)
    with site_with_slurm() as (site, server):
        site.settings = SETTINGS
        site.configure()
        for run in runs:
            site.add_run(run, duration=1.0, rate=20.0)
        print(f"{number} runs simulated", flush=True)
        drive_to_end(site, runs)
        change_threshold(site, 16)
        learn_from_few(site, runs[:LEARN_FROM])
        before = hashes(site)
        change_threshold(site, 17)
        said = site.verb("campaign", "new", "gains", "--runs", f"{runs[0]}-{runs[-1]}")
        print(said.stdout + said.stderr, flush=True)
        foreseen = foresee(site)
        check(site.verb("campaign", "start", "gains", "--yes"))
        began = time.time()
        if times:
            disturb(site, server, chance, times)
        drive_to_end(site, runs)
        took = last_done(site, runs) - began
        print(site.verb("campaign", "show", "gains").stdout)
        measured = sum(use for run in runs if (use := cpu_s(site, run)) is not None)
        judge(site, runs, before)
        result = {
            "runs": number,
            "foreseen (s)": foreseen.wall_s,
            "took (s)": took,
            "CPU foreseen (s)": foreseen.cpu_s,
            "CPU of jobs (s)": measured,
        }
        print(measuring.table([result]))
        measuring.write("campaign", result)


def learn_from_few(site: Site, runs: range) -> None:
    """Make a few runs again, so that there is something to learn from."""
    check(site.verb("reprocess", f"{runs[0]}-{runs[-1]}", "--yes"))
    drive_to_end(site, runs)


def change_threshold(site: Site, threshold: int) -> None:
    """Change a setting of the detector, and with it the lineage of everything but raw records."""
    settings = yaml.safe_load((layout.REPOSITORY / "config/detectors/xamsl.yaml").read_text())
    settings["tpc"]["pulses"]["hit_threshold"] = threshold
    own = site.work / layout.DETECTORS / "xamsl.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(yaml.safe_dump(settings))


def foresee(site: Site) -> forecast.Forecast:
    """Return what the campaign's preview states, for two runs at a time."""
    with chdir(site.work):
        settings = config.load([site.configfile])
        with rundb.open_database(settings.rundb) as database:
            documents = list(database.documents(forecast.FIELDS))
        return forecast.forecast(documents, settings, (), 2)


def disturb(site: Site, server: Slurm, chance: random.Random, times: int) -> None:
    """Start drivers; at random, kill them and their jobs, and pause and resume the campaign.

    Afterwards, the campaign runs undisturbed to its end.
    """
    driver = site.start(stdout=subprocess.DEVNULL)
    done: Counter[str] = Counter()
    for _ in range(times):
        time.sleep(chance.uniform(*NAP_S))
        what = chance.choice(("driver", "job", "job", "pause"))
        done[what] += 1
        if what == "driver":
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
        elif what == "job":
            kill_a_job(server, chance)
        else:
            check(site.verb("campaign", "pause", "gains", "--yes"))
            time.sleep(5)
            check(site.verb("campaign", "resume", "gains", "--yes"))
        if driver.poll() is not None:
            driver = site.start(stdout=subprocess.DEVNULL)
    with suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    print(f"disturbed by: {dict(done)}", flush=True)


def kill_a_job(server: Slurm, chance: random.Random) -> None:
    """Kill the processes of a running batch job."""
    running = server.run("squeue", "--noheader", "--states=RUNNING", "--format", "%i").split()
    if running:
        pids = server.run("scontrol", "listpids", chance.choice(running), check=False)
        for pid in re.findall(r"^\d+", pids, re.MULTILINE):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def drive_to_end(site: Site, runs: range) -> None:
    """Start drivers until all runs are done."""
    while {site.status(run) for run in runs} != {"done"}:
        site.start(stdout=subprocess.DEVNULL).wait()
        time.sleep(1)


def last_done(site: Site, runs: range) -> float:
    """Return when the last of the runs was done, in s since 1970."""
    ends = [site.document(run)["processing"]["history"][-1]["time"] for run in runs]
    latest: float = max(ends).timestamp()
    return latest


def judge(site: Site, runs: range, before: dict[str, str]) -> None:
    """Exit with an error unless all is as promised."""
    after = hashes(site)
    changed = [name for name, one in before.items() if after.get(name) != one]
    if changed:
        sys.exit(f"old data have changed: {changed[:5]}")
    for run in runs:
        history = site.document(run)["processing"]["history"]
        first = next(i for i, entry in enumerate(history) if entry.get("action") == "campaign")
        times = Counter(entry["to"] for entry in history[first:] if "action" not in entry)
        if times["done"] != 1:
            sys.exit(f"run {run} was done {times['done']} times: {history[first:]}")
    print(f"each of {len(runs)} runs was done once; {len(before)} old files are unchanged")
    check(site.verb("campaign", "end", "gains", "--yes"))
    refused = site.verb("campaign", "accept", "gains", "--yes")
    if refused.returncode == 0 or "not been compared" not in refused.stderr:
        sys.exit(f"accepted without a comparison: {refused.stdout}{refused.stderr}")
    check(site.verb("compare", f"{runs[0]}-{runs[-1]}"))
    check(site.verb("campaign", "accept", "gains", "--yes"))
    print("accepted after the comparison")


def hashes(site: Site) -> dict[str, str]:
    """Return the hash of each strax file."""
    processed = site.work / "data" / "processed"
    return {
        str(path.relative_to(processed)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in processed.glob("[0-9]*-*/*")
    }


def cpu_s(site: Site, run: int) -> float | None:
    """Return the CPU time in s of a run's last jobs."""
    with chdir(site.work):
        learned = forecast.sample(layout.run_id(run))
    return None if learned is None else learned[1].cpu_s


def check(done: "subprocess.CompletedProcess[str]") -> None:
    """Exit with what a command said if it failed."""
    if done.returncode:
        sys.exit(f"{done.args}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    measure = {"calm": calm, "disturbed": disturbed}[sys.argv[1]]
    measure(*(int(number) for number in sys.argv[2:]))
