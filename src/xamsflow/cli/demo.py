"""Run the whole workflow once on this machine: DAQ folder, run database, jobs, table."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from xamsflow.base import caches, clock
from xamsflow.redax import rundoc
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.state import layout, receipts, run_numbers
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

HELP = "process a few runs on this machine, with a temporary run database"

REAL_RUN = 2240
SHARED_DATA = layout.REPOSITORY.parent / "shared" / "data"

COLUMNS = (
    Column("run"),
    Column("mode", cut=12),
    Column("status"),
    Column("stored", cut=24),
    Column("reason", cut=24),
)

DAQ = Path("daq")
DURATION_S = 8.0
AGO = timedelta(minutes=15)
"""How long ago the simulated runs started, so that nothing waits for late files of the DAQ."""
SIMULATED_RUNS: dict[int, dict[str, Any]] = {
    2241: {},
    2242: {"readers": 2, "threads": 2},
    2243: {"compressor": "blosc"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --stay, the only option: the demo is the same everywhere."""
    parser.add_argument(
        "--stay",
        action="store_true",
        help="keep its run database running until Ctrl-C, so that you can try other commands",
    )


def run(options: argparse.Namespace) -> int:
    """Create a DAQ folder and run documents, process all runs, and show the results."""
    from xamsflow import rundb  # noqa: PLC0415
    from xamsflow.rundb import credentials  # noqa: PLC0415
    from xamsflow.simulate import embedded_mongod  # noqa: PLC0415
    from xamsflow.views import page  # noqa: PLC0415

    os.environ[config.SITE] = os.devnull  # the demo ignores site settings
    configuration = config.load(options.configfile)
    print(f"The demo runs in {Path.cwd()}")
    for name in (credentials.USER_VARIABLE, credentials.PASSWORD_VARIABLE):
        os.environ.pop(name, None)  # they are for another database, and would take precedence
    with embedded_mongod.running(Path("mongod"), auth=True) as server:
        print(f"Its run database listens at {server.uri}")
        documents = [*_simulate(configuration.detector), *_real_run()]
        settings = Path("demo.yaml")
        settings.write_text(
            yaml.safe_dump(
                {
                    "rundb": {
                        "uri": server.uri,
                        "credentials_file": str(server.credentials_file),
                    },
                    "daq": {"live_data": str(DAQ)},
                    "storage": {"host": "demo"},
                }
            )
        )
        demo = config.load([*options.configfile, settings])
        with rundb.open_database(demo.rundb) as database:
            numbers = run_numbers.each(document["number"] for document in documents)
            known = {summary.number for summary in database.runs(numbers)}
            for document in documents:
                if document["number"] not in known:
                    database.insert(document)
                database.set_pending(document["number"], by="demo")
        code = _snakemake([*options.configfile, settings])
        with rundb.open_database(demo.rundb) as database:
            _print_table(database.runs(numbers))
        pictures = page.make_pictures(demo, len(documents))
        for run in sorted(pictures):
            print(f"picture      {Path.cwd() / layout.overview(run)}")
        page.make(demo)
        print(f"page         {Path.cwd() / layout.PAGE}")
        if options.stay:
            _stay(settings)
    return code


def _stay(settings: Path) -> None:
    """Wait for Ctrl-C."""
    where = f"--directory {Path.cwd()} --configfile {settings.absolute()}"
    print(f"\nTry, in another terminal: xamsflow status {where}")
    print("Ctrl-C ends the demo and its run database.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def _simulate(detector: str) -> list[dict[str, Any]]:
    """Return the documents of the simulated runs; runs that exist are reused."""
    from xamsflow.settings import detector as detectors  # noqa: PLC0415
    from xamsflow.simulate import Physics, SimulatedRun, simulate, truth_path  # noqa: PLC0415

    documents = []
    for number, choices in SIMULATED_RUNS.items():
        file = DAQ / f"rundoc_{layout.run_id(number)}.json"
        if not (DAQ / layout.run_id(number)).exists():
            print(f"Simulating run {layout.run_id(number)} in redax's format {choices or ''}")
            chosen = detectors.load(detector)
            physics = Physics.of(chosen, number, event_rate=20.0)
            settings = SimulatedRun(
                number=number,
                detector=chosen,
                duration=DURATION_S,
                physics=physics,
                start=clock.now() - AGO,
                **choices,
            )
            # Write next to the others, then rename, so that an interrupted demo can be restarted.
            DAQ.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=DAQ, ignore_cleanup_errors=True) as folder:
                document = simulate(settings, Path(folder))
                document["data"][0]["location"] = str(DAQ.absolute())
                receipts.write(file, rundoc.to_json(document))
                truth = truth_path(Path(folder), number)
                truth.rename(DAQ / truth.name)
                (Path(folder) / layout.run_id(number)).rename(DAQ / layout.run_id(number))
        documents.append(rundoc.from_json(receipts.read(file)))
    return documents


def _real_run() -> list[dict[str, Any]]:
    """Return the document of the real run next to the repository, if it exists."""
    name = layout.run_id(REAL_RUN)
    document = SHARED_DATA / f"rundoc_{name}.json"
    live_data = SHARED_DATA / "live_data" / name
    if not (document.is_file() and live_data.is_dir()):
        return []
    if not (DAQ / name).exists():
        print(f"Copying the real run {name} to the DAQ folder")
        with tempfile.TemporaryDirectory(dir=DAQ, ignore_cleanup_errors=True) as folder:
            shutil.copytree(live_data, Path(folder) / name)
            (Path(folder) / name).rename(DAQ / name)
    return [rundoc.from_json(json.loads(document.read_text()))]


def _snakemake(configfiles: list[Path]) -> int:
    command = start.snakemake(start.profile_folder("local"), configfiles)
    print("$ " + " ".join(command), flush=True)
    environment = caches.environment(layout.CACHES)
    return subprocess.run(command, env=environment, check=False).returncode


def _print_table(runs: Any) -> None:
    rows = []
    for summary in runs:
        name = layout.run_id(summary.number)
        stored = _stored(name)
        rows.append((name, summary.mode, summary.status, stored, summary.reason or ""))
    print()
    print(terminal.table(COLUMNS, rows, line=terminal.width()))
    print()
    print(f"strax data   {Path.cwd() / 'data' / 'processed'}")
    print(f"receipts     {Path.cwd() / 'results'}")
    print(f"logs         {Path.cwd() / 'logs'}")


def _stored(run: str) -> str:
    """Return the number of stored data types of a run, and of items in the targets."""
    from xamsflow.run.publish import receipts_on_disk  # noqa: PLC0415

    _, made = receipts_on_disk(run)
    data_types = {name for receipt in made for name in receipt["stored"]}
    items = ", ".join(f"{receipt['n_items']} {receipt['data_type']}" for receipt in made)
    return f"{len(data_types)} data types, {items}" if made else ""
