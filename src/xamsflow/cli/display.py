"""Draw events of a run."""

import argparse
from pathlib import Path

from xamsflow.base.durable import replacing
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import choosing
from xamsflow.state import layout, run_numbers

HELP = "draw events of a run: one as a picture, several as a page"
ONLY_LOOKS = True

FIRST = 20
PICTURES = (".pdf", ".png", ".svg")
PAGES = (".html",)
DPI = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, its events and the file."""
    add = parser.add_argument
    add("run", metavar="RUN", help="run number, e.g. 932")
    add(
        "events",
        nargs="*",
        metavar="EVENT",
        help=f"event numbers and ranges, e.g. 14 20-29 [the first {FIRST}]",
    )
    add(
        "--output",
        type=choosing.path,
        metavar="FILE",
        help=f"{', '.join(PICTURES)} for one event, or .html; the default is in results/RUN/",
    )


def run(options: argparse.Namespace) -> int:
    """Write the picture or the page, and print its path."""
    number, *others = (each for part in run_numbers.parse_all([options.run]) for each in part[:2])
    if others:
        raise ConfigurationError(f"{options.run!r} is more than one run", "give one run number")
    wanted: list[int] | None = None
    if options.events:
        from xamsflow.analysis.one_event import numbers_of  # noqa: PLC0415 - keeps --help fast

        wanted = numbers_of(options.events)
    name = layout.run_id(number)
    output = options.output
    is_one = wanted is not None and len(wanted) == 1
    if output is None and wanted is not None and is_one:
        output = layout.event_picture(name, wanted[0])
    elif output is None:
        output = layout.events_page(name)
    allowed = (*PICTURES, *PAGES) if is_one else PAGES
    if output.suffix not in allowed:
        raise ConfigurationError(
            f"--output is {output.name}, allowed: a name that ends with {' or '.join(allowed)}",
            "a picture shows one event" if output.suffix in PICTURES else "",
        )
    _write(name, wanted, output, options.configfile)
    print(output.absolute())
    return 0


def _write(run_id: str, wanted: list[int] | None, output: Path, configfile: list[Path]) -> None:
    # These modules take seconds to import.
    from xamsflow.analysis import display, event_page, one_event  # noqa: PLC0415
    from xamsflow.analysis.site import open_site  # noqa: PLC0415

    context = open_site(configfile, run_database=False).context()
    n_events = one_event.count(context, run_id)
    if not n_events:
        raise ConfigurationError(
            f"run {run_id} has no events", "xamsflow show lists what is stored"
        )
    numbers = list(range(min(FIRST, n_events))) if wanted is None else wanted
    events = one_event.read(context, run_id, numbers)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as partial:
        if output.suffix in PAGES:
            page = event_page.page(run_id, events, more=n_events - len(set(numbers)))
            partial.write_text(page, encoding="utf-8")
        else:
            figure = display.draw(next(events))
            figure.savefig(partial, format=output.suffix.removeprefix("."), dpi=DPI)
