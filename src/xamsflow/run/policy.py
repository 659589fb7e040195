"""What follows a failure, by its class: whether and when it is retried, and with which resources.

=============  ======================================================================
resources      retried after a pause, each time with more memory and time
transient      retried within the job for seconds, then as a run after growing pauses
bad data       never retried automatically: a person must look at the run
configuration  never retried automatically: a person must change something
unknown        retried a few times
=============  ======================================================================

Pauses double from one try to the next and are randomized, so that runs that failed together because
a host was unreachable are not all retried at once. The section `retry` of the configuration sets
how often and how long.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from xamsflow.base.errors import FailureClass, StillTakenError, TransientError
from xamsflow.settings.config import Retry

logger = logging.getLogger(__name__)

SPREAD = 0.25
"""Fraction by which a pause is lengthened or shortened at random."""

FIRST_PAUSE_IN_JOB_S = 1.0

_T = TypeVar("_T")


def pause_s(failure: FailureClass, tries: int, retry: Retry) -> float | None:
    """Return the time in s until the retry of a run that has failed `tries` times.

    Only failures of the same class since the last request by a person count. None: it is not
    retried automatically.
    """
    limit = {
        FailureClass.RESOURCES: retry.resources,
        FailureClass.TRANSIENT: retry.transient,
        FailureClass.UNKNOWN: retry.unknown,
    }.get(failure, 0)
    if tries > limit:
        return None
    return _spread(_doubled(retry.first_pause_s, tries, retry.longest_pause_s))


def patiently(work: Callable[[], _T], retry: Retry) -> _T:
    """Return what `work` returns, calling it again if hosts or servers do not respond for seconds.

    Raises its TransientError after `retry.patience_s`. Raises any other error at once, as well as
    StillTakenError: the end of a run takes longer.
    """
    give_up = time.monotonic() + retry.patience_s
    pause = FIRST_PAUSE_IN_JOB_S
    while True:
        try:
            return work()
        except StillTakenError:
            raise
        except TransientError as error:
            wait = _spread(pause)
            if time.monotonic() + wait > give_up:
                raise
            logger.warning("trying again in %.1f s: %s", wait, error)
        time.sleep(wait)
        pause *= 2


def _doubled(first: float, number: int, longest: float) -> float:
    # The exponent is limited, because floats are.
    return min(first * 2.0 ** min(number - 1, 64), longest)


def _spread(pause: float) -> float:
    return pause * random.uniform(1 - SPREAD, 1 + SPREAD)
