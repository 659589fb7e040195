"""From XAMS and XAMSL live data to strax data, run by run.

Each folder is a room, and imports only rooms listed below it. The driver (`run`) claims a run in
the run database (`rundb`); its jobs copy the live data that the DAQ wrote (`transfer`), process
them (`data`) and publish the outcome (`run` again).

::

    cli       the command `xamsflow`, a module for each command
    jobs      the jobs of the workflow, one function for each rule
    simulate  runs as redax writes them, with their truth; demo and tests
    operate   what people do: plan, watch, request, diagnose, reconcile
    analysis  what analysts call: tables of runs and events, displays
    views     what people see: tables, pictures and pages
    run       a run's way through the workflow: the driver, failures, publishing
    data      from live data to events: everything that uses strax
    transfer  copying a run's live data from the DAQ host
    batch     TORQUE, HTCondor and Slurm
    rundb     the run database: which runs are wanted, and their status
    redax     what the DAQ writes, and what can be wrong with it
    remote    ssh connections to other hosts
    settings  what a site chooses: configuration, detector, corrections
    state     what the workflow keeps on disk: receipts, claims, locks
    base      what every room may use: errors, time, amounts, memory
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

__version__ = "0.1.0"


def open(  # noqa: A001 - xamsflow.open
    settings: str | Path | Sequence[str | Path] = (),
    *,
    directory: str | Path = ".",
    run_database: bool | None = None,
) -> "Site":
    """Return a site for analysis, with the settings that the workflow finds in `directory`.

    `settings` are files that override individual keys, as with ``--configfile``. `run_database`
    says whether to look up runs in the run database; None uses it if it can be reached, and the
    disk otherwise. Raises ConfigurationError for invalid settings.

    Example::

        site = xamsflow.open()
        runs = site.runs("2241-2243", status="done")
        events = site.load("event_basics", runs, selection="s2_area > 1000")
    """
    from xamsflow.analysis.site import open_site  # noqa: PLC0415 - `import xamsflow` is fast

    return open_site(settings, directory=directory, run_database=run_database)


def quantity(
    function: Callable[[Any], Any] | None = None, /, *, unit: str = "", by_channel: bool = False
) -> Any:
    """Turn a function in the site's ``quantities.py`` into a quantity of the same name.

    The function takes a :class:`xamsflow.analysis.quantities.run_data.RunData` and returns a
    number, a number and its error (one standard deviation), or a short text; with `by_channel`, it
    returns a dict that maps channels to such values. The first paragraph of its docstring is the
    definition.

    Example::

        @xamsflow.quantity(unit="PE")
        def largest_s2(run):
            "Area of the largest S2."
            return run.load("peak_basics", columns="area", selection="type == 2")["area"].max()
    """
    from xamsflow.analysis.quantities import definition  # noqa: PLC0415 - as above

    mark = definition.quantity(unit=unit, by_channel=by_channel)
    return mark if function is None else mark(function)
