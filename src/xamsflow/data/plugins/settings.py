"""What the plugins of all groups of signals share: options from settings, and threads."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import strax
from immutabledict import immutabledict

from xamsflow.data import strax_private
from xamsflow.settings.corrections import ByRun
from xamsflow.settings.detector import Signals

THREADS = "threads"
"""The option for the number of chunks computed at a time; it does not affect results."""

CHUNK_MB = 4
"""Size of a stored chunk of small data. With each chunk that strax adds, it copies all it has
gathered, so larger chunks take more time, and memory that grows until the first one is full."""

Setting = tuple[str, Any, str]
"""Name, default and help text of an option."""


def options(settings: Iterable[Setting], end: str = "") -> immutabledict[str, strax.Option]:
    """Return options for a plugin's ``takes_config``: the tracked settings, and the threads.

    Within a context, options with equal names must have equal defaults, so the suffix `end`
    distinguishes groups of signals. If a quantity changes from run to run, its option has the
    run's value.
    """
    threads = strax.Option(THREADS, default=1, track=False, help="Chunks computed at a time")
    return immutabledict(
        {f"{name}{end}": _option(f"{name}{end}", value, text) for name, value, text in settings}
        | {THREADS: threads}
    )


def top_places(signals: Signals) -> Setting:
    """Return the setting with the top array's indices in arrays by channel."""
    places = [signals.channels.index(channel) for channel in signals.top]
    return "top_places", places, "Top array, by index"


def _option(name: str, value: Any, text: str) -> strax.Option:
    if isinstance(value, ByRun):
        return _OptionByRun(name, default_by_run=value.starts(), help=text)
    return strax.Option(name, default=value, infer_type=False, help=text)


class _OptionByRun(strax.Option):  # type: ignore[misc]  # strax has no types
    """An option with one value for each range of runs.

    A superrun joins runs with different values. In its lineage, the option has a hash of the values
    of all runs, so that a superrun is stored under another name whenever one of them changes.
    """

    def get_default(self, run_id: Any, run_defaults: Mapping[str, Any] | None = None) -> Any:
        """Return the value for a run, or the hash for a superrun."""
        if isinstance(run_id, str) and not run_id.isdecimal():
            run_id = f"_{run_id}"  # strax knows a superrun by the underscore, but has removed it
        return super().get_default(run_id, run_defaults)


class SignalsPlugin(strax_private.Plugin):
    """A plugin that is made once for each group of signals; its names have the suffix `end`."""

    end = ""
    parallel = True
    chunk_target_size_mb = CHUNK_MB

    def setting(self, name: str) -> Any:
        """Return the value of an option, given its name without the group's suffix."""
        return self.config[f"{name}{self.end}"]

    def fetch_chunk(
        self, data_type: str, iters: Mapping[str, Iterator[strax.Chunk]], *args: Any, **options: Any
    ) -> bool:
        """Use the next chunk of an input directly if nothing is left of the previous one.

        strax would join it with an empty chunk, which copies all of it.
        """
        left = self.input_buffer[data_type]
        if left is not None and left.start == left.end and not len(left):
            self.input_buffer[data_type] = None
        fetched = super().fetch_chunk(data_type, iters, *args, **options)
        if not fetched:
            self.input_buffer[data_type] = left
        return fetched

    def iter(
        self, iters: Mapping[str, Iterator[strax.Chunk]], executor: Executor | None = None
    ) -> Iterator[Any]:
        """Yield results in order; independent chunks are computed in parallel.

        An `executor` comes from strax's threaded processor, which waits for the results.
        """
        threads = self.config[THREADS]
        if executor is not None or threads == 1:
            yield from super().iter(iters, executor)
            return
        ahead: deque[Future[Any]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="chunk")
        try:
            for future in super().iter(iters, pool):
                ahead.append(future)
                if len(ahead) == threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            # Python may run this at any time, when it collects what a failure left over, even while
            # it holds a lock that a chunk waits for (numba has one): waiting could deadlock.
            pool.shutdown(wait=False, cancel_futures=True)
