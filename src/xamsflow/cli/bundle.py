"""The provenance of runs, one file each."""

import argparse
from pathlib import Path

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.state import layout

HELP = "pack all that is known about a run into one file that can be read without this software"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the file."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    parser.add_argument(
        "--output",
        type=lambda name: Path(name).absolute(),  # before we go to the working directory
        metavar="FILE",
        help="of one run [run_RUN.tar.gz in the working directory]",
    )


def run(options: argparse.Namespace) -> int:
    """Write the bundles; without the run database write what files say, and return 1."""
    from xamsflow.views import bundle  # noqa: PLC0415 - keeps --help fast

    configuration = config.load(options.configfile)
    found = choosing.documents(options.runs, configuration)
    if options.output and len(found.by_number) > 1:
        raise ConfigurationError("--output names one file for several runs", "leave it out")
    for number, document in found.by_number.items():
        name = layout.run_id(number)
        content = bundle.make(name, document, configuration)
        path = options.output or Path(f"run_{name}.tar.gz").absolute()
        new = bundle.write(path, content)
        print(f"{path}{'' if new else ' is unchanged'}, {amounts.size(len(content))}")
    return 0 if found.complete else 1
