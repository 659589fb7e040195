"""What follows a failure, by its class: whether it is tried again, when, and with how much.

=============  ===================================================================
resources      again after a pause, each time with more memory and time
transient      at once within the job, for seconds; then again after growing pauses
bad data       never by itself: a person must look at the run
configuration  never by itself: a person must change something
unknown        again a few times
=============  ===================================================================

Pauses double from one try to the next and are spread at random, so that runs that failed together,
for a host that was away, do not come back together. How often and how long is the section `retry`
of the configuration.
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
"""A pause is longer or shorter by up to this part of it."""

FIRST_PAUSE_IN_JOB_S = 1.0

_T = TypeVar("_T")


def pause_s(failure: FailureClass, tries: int, retry: Retry) -> float | None:
    """Return the time in s until a run is tried again that failed for the `tries`-th time.

    Only failures of the same class count, since a person last asked for the run. None: it is not
    tried again by itself.
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
    """Return what `work` returns, calling it again while hosts or servers are away for seconds.

    Raises its TransientError when `retry.patience_s` are over, and at once for a run that is still
    being taken, which takes longer, as well as any other error.
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
    # The power is bounded, as floats are.
    return min(first * 2.0 ** min(number - 1, 64), longest)


def _spread(pause: float) -> float:
    return pause * random.uniform(1 - SPREAD, 1 + SPREAD)
