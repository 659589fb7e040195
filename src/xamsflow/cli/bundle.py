"""Pack the provenance of runs, one file per run."""

import argparse
from pathlib import Path

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.state import layout

HELP = "pack everything known about a run into one file that can be read without this software"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the output file."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    parser.add_argument(
        "--output",
        type=choosing.path,
        metavar="FILE",
        help="output file, for a single run [run_RUN.tar.gz in the working directory]",
    )


def run(options: argparse.Namespace) -> int:
    """Write the bundles; if the run database cannot be reached, use local files and return 1."""
    from xamsflow.analysis import good_runs  # noqa: PLC0415 - keeps --help fast
    from xamsflow.views import bundle  # noqa: PLC0415 - keeps --help fast

    configuration = config.load(options.configfile)
    found = choosing.documents(options.runs, configuration)
    if options.output and len(found.by_number) > 1:
        raise ConfigurationError("--output requires a single run", "omit --output or give one run")
    for number, document in found.by_number.items():
        name = layout.run_id(number)
        content = bundle.make(name, document, configuration, good_runs.of_run(document))
        path = options.output or Path(f"run_{name}.tar.gz").absolute()
        new = bundle.write(path, content)
        print(f"{path}{'' if new else ' (unchanged)'}, {amounts.size(len(content))}")
    return 0 if found.complete else 1
