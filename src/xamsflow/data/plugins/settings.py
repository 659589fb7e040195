"""What the plugins of all groups of signals share: settings as strax options, and threads."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import strax
from immutabledict import immutabledict

from xamsflow.data import strax_private
from xamsflow.settings.corrections import ByRun

THREADS = "threads"
"""The option that says how many chunks are computed at a time; it changes no result."""

CHUNK_MB = 4
"""Size of a stored chunk of small data: strax copies what it has gathered with each chunk that it
adds, so larger ones cost time, and memory that grows until the first is full."""

Setting = tuple[str, Any, str]
"""Name, default and meaning of an option."""


def options(settings: Iterable[Setting], end: str = "") -> immutabledict[str, strax.Option]:
    """Return options for a plugin's ``takes_config``: the settings, tracked, and the threads.

    Equal names have equal defaults within a context, so `end` keeps groups of signals apart. Of a
    quantity that changes from run to run, an option has the value of the run.
    """
    threads = strax.Option(THREADS, default=1, track=False, help="Chunks computed at a time")
    return immutabledict(
        {f"{name}{end}": _option(f"{name}{end}", value, text) for name, value, text in settings}
        | {THREADS: threads}
    )


def _option(name: str, value: Any, text: str) -> strax.Option:
    if isinstance(value, ByRun):
        return strax.Option(name, default_by_run=value.starts(), help=text)
    return strax.Option(name, default=value, infer_type=False, help=text)


class SignalsPlugin(strax_private.Plugin):
    """A plugin that is made once for each group of signals; `end` closes all its names."""

    end = ""
    parallel = True
    chunk_target_size_mb = CHUNK_MB

    def setting(self, name: str) -> Any:
        """Return the value of an option, called by its name without the group's."""
        return self.config[f"{name}{self.end}"]

    def fetch_chunk(
        self, data_type: str, iters: Mapping[str, Iterator[strax.Chunk]], *args: Any, **options: Any
    ) -> bool:
        """Take the next chunk of an input as it is if nothing is left of the one before.

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
        """Yield results in order; chunks do not depend on one another, so some are made together.

        An `executor` is that of strax's processor with threads, which waits for the results itself.
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
            # Python may get here at any time, when it collects what a failure left over, even while
            # it holds a lock that a chunk waits for (numba has one): waiting would never end.
            pool.shutdown(wait=False, cancel_futures=True)
