"""The operator's command ``xamsflow``: one module per verb.

A verb's module holds ``HELP`` (one line), ``add_arguments`` and ``run``, which returns the exit
code; ``ONLY_LOOKS = True`` if the working directory must be there already. What a verb needs is
loaded only when it is called.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from xamsflow import __version__
from xamsflow.base import system_errors
from xamsflow.base.errors import ConfigurationError, XamsflowError

VERBS = (
    *("status", "show", "why", "log", "bundle", "plan", "page", "verify"),
    *("pend", "hold", "release", "retry", "reprocess", "abandon"),
    *("watch", "doctor", "reconcile", "simulate", "demo"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 only if everything asked for was done."""
    options = _parser().parse_args(arguments)
    options.configfile = [path.absolute() for path in options.configfile]
    try:
        _enter(options.directory, only_looks=options.only_looks)
        code: int = options.call(options)
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # what reads our output, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _enter(directory: Path, *, only_looks: bool) -> None:
    """Go to the working directory, which is made by verbs that write there."""
    if only_looks and not directory.is_dir():
        raise ConfigurationError(
            f"the working directory {directory} is not there",
            "give with --directory the one in which snakemake is started",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        os.chdir(directory)
    except OSError as error:
        raise system_errors.cannot("write", directory, error) from error


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
            action="append",
            default=[],
            metavar="FILE",
            help="settings that override single keys of config/config.yaml and site.yaml; may be "
            "repeated",
        )
        subparser.add_argument(
            "--directory",
            type=Path,
            default=Path(),
            metavar="DIR",
            help="working directory, as for snakemake",
        )
        verb.add_arguments(subparser)
        only_looks = getattr(verb, "ONLY_LOOKS", False)
        subparser.set_defaults(call=verb.run, only_looks=only_looks)
    return parser
