"""A run's provenance as one file."""

import argparse
import sys
from pathlib import Path

from xamsflow.base import amounts
from xamsflow.base.errors import TransientError
from xamsflow.cli.show import one_run
from xamsflow.settings import config
from xamsflow.state import layout

HELP = "pack all that is known of a run into one file that can be read without this software"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the file."""
    parser.add_argument("run", metavar="RUN", help="a run number")
    parser.add_argument(
        "--output",
        type=lambda name: Path(name).absolute(),  # before we go to the working directory
        metavar="FILE",
        help="[run_RUN.tar.gz in the working directory]",
    )


def run(options: argparse.Namespace) -> int:
    """Write the bundle; without the run database with what files say, and return 1."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.views import bundle  # noqa: PLC0415 - keeps --help fast

    number = one_run(options.run)
    name = layout.run_id(number)
    configuration = config.load(options.configfile)
    code, document = 0, None
    try:
        with rundb.open_database(configuration.rundb) as database:
            document = database.get(number)
    except TransientError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        code = 1
    content = bundle.make(name, document, configuration)
    path = options.output or Path(f"run_{name}.tar.gz").absolute()
    new = bundle.write(path, content)
    print(f"{path}{'' if new else ' is as it was'}, {amounts.size(len(content))}")
    return code
