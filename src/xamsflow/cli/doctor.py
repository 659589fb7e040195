"""Check everything that processing needs."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.run import notify, start
from xamsflow.settings import config
from xamsflow.views import terminal

if TYPE_CHECKING:
    from xamsflow.operate.doctor import Result

HELP = "check hosts, database, disks, batch system and versions; suggest remedies"
ONLY_LOOKS = True

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the optional checks."""
    add = parser.add_argument
    add("--profile", metavar="NAME", help="also check its batch system, e.g. stbc or profiles/stbc")
    add("--notify", action="store_true", help="only send a test message with notify.command")
    add("--json", action="store_true", help="print JSON: a list of name, verdict, value and remedy")


def run(options: argparse.Namespace) -> int:
    """Print one line per check, followed by any remedy; return 1 if there is a problem."""
    configuration = config.load(options.configfile)
    if options.notify:
        return _send_test(configuration.notify)
    profile = start.profile_folder(options.profile) if options.profile else None
    return report(configuration, profile, as_json=options.json)


def report(settings: config.Config, profile: Path | None, *, as_json: bool = False) -> int:
    """Print the results of all checks; return 1 if there is a problem."""
    from xamsflow.operate import doctor  # noqa: PLC0415 - keeps --help fast

    found = []
    for result in doctor.examine(settings, profile):
        found.append(result)
        if not as_json:
            _print(result)
    counts = dict.fromkeys(doctor.Health, 0)
    for result in found:
        counts[result.verdict] += 1
    if as_json:
        print(json.dumps([asdict(result) for result in found], indent=1))
    else:
        told = [
            f"{number} {verdict}{'s' if number > 1 and verdict is not doctor.Health.OK else ''}"
            for verdict, number in counts.items()
            if number
        ]
        print(f"\n{', '.join(told)}")
    return 1 if counts[doctor.Health.PROBLEM] else 0


def _print(result: "Result") -> None:
    verdict = terminal.coloured(f"{result.verdict:<8}", COLOURS[result.verdict])
    print(f"{verdict} {result.name:<18} {result.value}", flush=True)
    if result.remedy:
        print(f"{'':<27} -> {result.remedy}", flush=True)


def _send_test(settings: config.Notify) -> int:
    if settings.command is None:
        raise ConfigurationError(
            "notify.command is null, so no messages are sent",
            "set it to the program and arguments that send a message",
        )
    try:
        notify.send_test(settings)
    except XamsflowError as error:
        print(f"problem  {error}")
        return 1
    print(f"ok       {settings.command[0]} accepted a test message; has it arrived?")
    return 0
