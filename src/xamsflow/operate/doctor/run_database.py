"""Check the run database: connection, permissions, runs, clock."""

from collections.abc import Iterator

from xamsflow import rundb
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

READ = frozenset({"find"})
WRITE = frozenset({"find", "update"})


def examine(config: Rundb) -> Iterator[Result]:
    """Check everything needed from the run database, through a tunnel if there is one."""
    with errors_are_problems("run database") as found, rundb.open_database(config) as database:
        way = f", through {config.tunnel.host}" if config.tunnel is not None else ""
        found.append(ok("run database", f"{database.name}, MongoDB {database.version()}{way}"))
        found.append(rights(database, config))
        found.append(runs(database))
        found.append(clock_of("database clock", database.now))
    yield from found


def rights(database: RunDatabase, config: Rundb) -> Result:
    """Check the account's permissions: previews and tables need read, everything else write."""
    name = "database rights"
    actions = database.actions()
    if actions is None:
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


def runs(database: RunDatabase) -> Result:
    """Check that there are any run documents."""
    number = database.estimated_count()
    if not number:
        remedy = "check rundb.database and rundb.collection"
        return warning("run documents", "none", remedy)
    return ok("run documents", f"{number}")
