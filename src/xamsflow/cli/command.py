"""Find the command, run it in the working directory, and show its errors."""

import argparse
import contextlib
import importlib
import os
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xamsflow import __version__, cli
from xamsflow.base import system_errors
from xamsflow.base.errors import ConfigurationError, XamsflowError, did_you_mean
from xamsflow.base.printable import PrintableStream
from xamsflow.views import terminal

USAGE_ERROR = 2


def run(arguments: Sequence[str] | None, on_ctrl_c: Any) -> int:
    """Run the command; `on_ctrl_c` is the SIGINT handler while it runs.

    Control characters in its output are escaped.
    """
    with (
        contextlib.redirect_stdout(PrintableStream.of(sys.stdout, terminal.SEQUENCES)),
        contextlib.redirect_stderr(PrintableStream.of(sys.stderr, terminal.SEQUENCES)),
    ):
        try:
            return _run(arguments, on_ctrl_c)
        except BrokenPipeError:  # the reader of our output, such as `head`, has exited
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (XamsflowError, OSError) as error:
            print(f"xamsflow: {system_errors.readable(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


def _run(arguments: Sequence[str] | None, on_ctrl_c: Any) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words and not words[0].startswith("-") else None
    if verb is not None and verb not in cli.VERBS:
        print(
            f"xamsflow: unknown command {verb!r}{did_you_mean(verb, cli.VERBS)}; "
            "xamsflow --help lists all commands",
            file=sys.stderr,
        )
        return USAGE_ERROR
    parser = _parser(cli.VERBS if verb is None else (verb,))
    if not words:
        parser.print_help()
        return 0
    options, unknown = parser.parse_known_args(words)
    if unknown:
        meant = did_you_mean(unknown[0].partition("=")[0], options_of(words[0]))
        options.parser.error(f"unknown argument {unknown[0]!r}{meant}")
    options.configfile = [path.absolute() for path in options.configfile]
    signal.signal(signal.SIGINT, on_ctrl_c)
    _enter(options.directory, only_looks=options.only_looks)
    code: int = options.call(options)
    return code


def _enter(directory: Path, *, only_looks: bool) -> None:
    """Change to the working directory; commands that write create it if it is missing."""
    if only_looks and not directory.is_dir():
        raise ConfigurationError(
            f"the working directory {directory} does not exist",
            "give the directory in which snakemake runs with --directory",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        os.chdir(directory)
    except OSError as error:
        raise system_errors.cannot("write", directory, error) from error


def options_of(verb: str) -> list[str]:
    """Return the long options of a command."""
    parser = _add_verb(argparse.ArgumentParser().add_subparsers(), verb)
    return sorted(set(re.findall(r"--[a-z][a-z0-9-]+", parser.format_help())))


def _parser(names: Iterable[str]) -> argparse.ArgumentParser:
    """Return the parser for these commands; importing all of them would take time."""
    parser = argparse.ArgumentParser(
        prog="xamsflow", description="Process runs of XAMS and XAMSL, from live data to strax data."
    )
    parser.add_argument("--version", action="version", version=f"xamsflow {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in names:
        _add_verb(verbs, name)
    return parser


def _add_verb(verbs: Any, name: str) -> argparse.ArgumentParser:
    """Add and return the parser of a command."""
    verb = importlib.import_module(f"xamsflow.cli.{name}")
    subparser: argparse.ArgumentParser = verbs.add_parser(
        name, help=verb.HELP, description=verb.HELP
    )
    subparser.add_argument(
        "--configfile",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="settings that override individual keys of config/config.yaml and site.yaml; may "
        "be repeated",
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
    subparser.set_defaults(call=verb.run, only_looks=only_looks, parser=subparser)
    return subparser
