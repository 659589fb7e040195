"""The operator's command ``xamsflow``: one module per verb.

A verb's module holds ``HELP`` (one line), ``add_arguments`` and ``run``, which returns the exit
code. It is loaded only when it is called, so that each verb costs what it needs.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from xamsflow import __version__, receipts
from xamsflow.errors import XamsflowError

VERBS = ("status", "pend", "simulate", "demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 only if everything asked for was done."""
    options = _parser().parse_args(arguments)
    options.configfile = [path.absolute() for path in options.configfile]
    try:
        try:
            options.directory.mkdir(parents=True, exist_ok=True)
            os.chdir(options.directory)
        except OSError as error:
            raise receipts.storage_error(error, options.directory) from error
        code: int = options.run(options)
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # what reads our output, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xamsflow", description="Runs of XAMS and XAMSL, from live data to strax data."
    )
    parser.add_argument("--version", action="version", version=f"xamsflow {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in VERBS:
        verb = importlib.import_module(f"xamsflow.cli.{name}")
        subparser = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        subparser.add_argument(
            "--configfile",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="settings that override single keys of config/config.yaml, as for snakemake",
        )
        subparser.add_argument(
            "--directory",
            type=Path,
            default=Path(),
            metavar="DIR",
            help="working directory, as for snakemake",
        )
        verb.add_arguments(subparser)
        subparser.set_defaults(run=verb.run)
    return parser
