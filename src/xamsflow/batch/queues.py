"""Choose a queue for a job from a site's table, which lies next to its profile."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from xamsflow.batch.request import Request


class Queue(NamedTuple):
    """A queue and its limits: maximum wall time in minutes, minimum cores of a job."""

    name: str
    minutes: int
    least_cores: int = 1


class Site(NamedTuple):
    """A site's queues in the order of the table, and its options for every job."""

    queues: Sequence[Queue]
    options: Sequence[str]


def read(table: Path) -> Site:
    """Read a site's table; raises ValueError if it is invalid."""
    left = tomllib.loads(table.read_text(encoding="utf-8"))
    try:
        queues = [Queue(**entry) for entry in left.get("queues", [])]
    except TypeError as error:
        raise ValueError(f"{table}: {error}; a queue has name, minutes, least_cores") from error
    return Site(queues, [str(option) for option in left.get("options", [])])


def candidates(queues: Sequence[Queue], request: Request) -> list[Queue | None]:
    """Return the queues to try in turn, the most specific first.

    For a job with several cores, queues meant for such jobs come before the others, which follow
    because the site may lack the former. A job longer than every limit gets the longest queue. If
    the table has no queues, the result is None, for the site's default.
    """
    fitting = [queue for queue in queues if request.cores >= queue.least_cores]
    if not fitting:
        return [None]
    longest = max(queue.minutes for queue in fitting)
    minutes = min(request.runtime_min or longest, longest)
    holding = [queue for queue in fitting if queue.minutes >= minutes]
    holding.sort(key=lambda queue: (-queue.least_cores, queue.minutes))
    return [*holding]


def within(request: Request, queue: Queue | None) -> Request:
    """Return the request with its wall time reduced to the queue's limit."""
    if queue is None or request.runtime_min is None or request.runtime_min <= queue.minutes:
        return request
    return request._replace(runtime_min=queue.minutes)
