"""Check the run database: connection, permissions, runs, clock."""

from collections.abc import Iterator

from xamsflow import rundb
from xamsflow.base.errors import ConfigurationError
from xamsflow.operate.doctor.check import (
    Result,
    clock_of,
    errors_are_problems,
    ok,
    problem,
    warning,
)
from xamsflow.rundb import RunDatabase
from xamsflow.settings.config import Rundb
from xamsflow.state import layout

READ = frozenset({"find"})
WRITE = frozenset({"find", "update"})

SHOWN = 5
"""Maximum number of unusable run numbers that are listed."""


def examine(config: Rundb, switch: str | None = None) -> Iterator[Result]:
    """Check everything needed from the run database, through a tunnel if there is one.

    `switch` is the collection with the switch for ``xamsflow watch``, None if there is none.
    """
    with errors_are_problems("run database") as found, rundb.open_database(config) as database:
        way = f", through {config.tunnel.host}" if config.tunnel is not None else ""
        found.append(ok("run database", f"{database.name}, MongoDB {database.version()}{way}"))
        found.append(rights(database, config))
        if can_read(database):
            found.append(runs(database))
            found.extend(unusable(database))
        if switch is not None:
            found.append(position(database, switch))
        found.append(clock_of("database clock", database.now))
    yield from found


def rights(database: RunDatabase, config: Rundb) -> Result:
    """Check the account's permissions: previews and tables need read, everything else write."""
    name = "database rights"
    actions = database.actions()
    if actions is None:
        if not can_read(database):
            return problem(
                name,
                "neither read nor write: the server requires a login, and there are no credentials",
                "set MONGO_USER and MONGO_PASSWORD, or write them to the credentials file "
                "(~/.config/xamsflow/credentials, mode 0600)",
            )
        return ok(name, "read and write: the server requires no authentication")
    if actions >= WRITE:
        return ok(name, "read and write")
    remedy = (
        f"the account needs find and update on {config.database}.{config.collection}, "
        "see docs/explanation/security.md"
    )
    if actions >= READ:
        return problem(name, "read only: previews and tables work, processing does not", remedy)
    return problem(name, "neither read nor write", remedy)


def can_read(database: RunDatabase) -> bool:
    """Return whether the server lets us read run documents."""
    try:
        database.unusable(at_most=1)
    except ConfigurationError:
        return False
    return True


def runs(database: RunDatabase) -> Result:
    """Check that there are any run documents."""
    number = database.estimated_count()
    if not number:
        remedy = "check rundb.database and rundb.collection"
        return warning("run documents", "none", remedy)
    return ok("run documents", f"{number}")


def unusable(database: RunDatabase) -> Iterator[Result]:
    """Report documents whose run number is invalid, so that they cannot be processed."""
    found = database.unusable(at_most=SHOWN + 1)
    if found:
        more = "" if len(found) <= SHOWN else " and more"
        yield warning(
            "run numbers",
            f"unusable: {', '.join(found[:SHOWN])}{more}",
            f"documents whose number is not a whole number from 0 to {layout.HIGHEST_RUN} are left "
            "out: correct them",
        )


def position(database: RunDatabase, switch: str) -> Result:
    """Check that the switch for ``xamsflow watch`` can be read, and report its position."""
    with errors_are_problems("watch switch") as found:
        status = database.switch(switch) or "not set, so runs are processed"
        found.append(ok("watch switch", f"{switch}: {status}"))
    return found[0]
