"""Check live data as `process` does, without storing anything."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from xamsflow.base import amounts
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.base.meter import Meter
from xamsflow.cli import choosing
from xamsflow.redax import rundoc
from xamsflow.run import progress
from xamsflow.rundb import identity
from xamsflow.settings import config, detector
from xamsflow.settings.config import Config
from xamsflow.state import layout, receipts
from xamsflow.views import run_files

HELP = "check a run's live data and report what is wrong with them"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and their location."""
    parser.description = (
        "Check the live data of runs as processing does, and check that their files are still "
        "those that were transferred. Nothing is written. The exit code is 0 if the data can be "
        "processed, even if something is missing (degraded)."
    )
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    add(
        "--live-data",
        type=choosing.path,
        metavar="DIR",
        help="parent folder of the runs [storage.live_data]",
    )
    add(
        "--rundoc",
        type=choosing.path,
        metavar="FILE",
        help="the run document as JSON [from the transfer receipt, or the run database]",
    )
    add(
        "--detector",
        metavar="NAME",
        help="name of a file in config/detectors [the configured detector]",
    )
    add("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print the verdict on each run and the findings; return 0 if no run is rejected."""
    from xamsflow.redax.verification import verify_run  # noqa: PLC0415 - keeps --help fast

    configuration = config.load(options.configfile)
    live_data = options.live_data or configuration.storage.live_data
    numbers = choosing.numbers(
        options.runs, lambda: map(layout.run_number, run_files.runs(live_data)), f"in {live_data}"
    )
    runs = [layout.run_id(number) for number in numbers]
    if options.rundoc is not None and len(runs) > 1:
        raise ConfigurationError("--rundoc requires a single run", "give one run number")
    one_detector = detector.load(options.detector or configuration.detector)
    code, told = 0, []
    terminal = progress.terminal()
    for run_id in runs:
        transferred = _transferred(run_id, live_data)
        try:
            document = _document(run_id, options.rundoc, transferred, configuration)
            meter = Meter()
            with progress.at_terminal(meter, terminal, f"run {run_id}:"):
                folder = live_data / run_id
                found = verify_run(folder, one_detector, document, transferred, meter)
        except XamsflowError as error:
            print(f"xamsflow: {error}", file=sys.stderr)
            code = 1
            continue
        code = max(code, int(found.verdict == "reject"))
        told.append(found.as_json())
        if not options.json:
            _show(told[-1])
    if options.json:
        print(json.dumps(told, indent=1))
    return code


def _transferred(run_id: str, live_data: Path) -> receipts.Receipt | None:
    """Return the transfer's receipt if it describes these files."""
    try:
        receipt = receipts.read_transfer(layout.transfer_receipt(run_id))
    except (FileNotFoundError, BadDataError):
        return None
    here = Path(receipt["destination"]).resolve() == (live_data / run_id).resolve()
    return receipt if here else None


def _document(
    run_id: str,
    file: Path | None,
    transferred: receipts.Receipt | None,
    configuration: Config,
) -> dict[str, Any] | None:
    """Return the run document from the first source that has it, or None if there is none."""
    if file is not None:
        try:
            document = rundoc.from_json(receipts.read(file))
        except FileNotFoundError as error:
            raise ConfigurationError(f"{file} does not exist") from error
        if document.get("number") != layout.run_number(run_id):
            raise ConfigurationError(
                f"{file} is the document of run {document.get('number')}, not {run_id}"
            )
        return document
    if transferred is not None:
        number = layout.run_number(run_id)
        wanted = identity.of_settings(number, configuration.rundb, configuration.daq)
        identity.check_receipt(transferred, wanted)
        return rundoc.from_json(transferred["run_document"])
    from xamsflow import rundb  # noqa: PLC0415

    try:
        with rundb.open_database(configuration.rundb) as database:
            return database.get(layout.run_number(run_id))
    except XamsflowError as error:
        print(f"xamsflow: checking without the run document: {error}", file=sys.stderr)
        return None


def _show(found: dict[str, Any]) -> None:
    print(
        f"{found['run_id']} {found['verdict'].upper()}: {found['n_chunks']} chunks, "
        f"{found['records_on_disk']} records, "
        f"{amounts.size(found['bytes'])} when uncompressed, in {found['folder']}"
    )
    for one in found["findings"]:
        more = f" (and {one['and_more']} more like this)" if one.get("and_more") else ""
        print(f"  {one['severity']:8}  {one['rule']:>4}  {one['message']}{more}{_missing(one)}")


def _missing(finding: dict[str, Any]) -> str:
    records, ns = finding["lost_records"], finding["lost_ns"]
    if records == 0 and ns == 0:
        return ""
    parts = ["records unknown" if records is None else f"{records} records"] if records != 0 else []
    if ns:
        parts.append(f"up to {ns / 1e9:.6g} s")
    return f" [missing: {', '.join(parts)}]"
