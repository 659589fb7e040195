"""The process that shows a run during data taking: ``python -m xamsflow.analysis.live.show``.

It reads what a feed sends, draws in the feed's pauses and every few seconds, and ends when the feed
does. Failures here affect only the pictures.
"""

import contextlib
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator

from xamsflow.analysis.live.event_picture import EventPicture
from xamsflow.analysis.live.feed import Pause, Piece, pieces
from xamsflow.analysis.live.odd import Watch
from xamsflow.analysis.live.so_far import SoFar
from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.redax import rundoc
from xamsflow.run import notify
from xamsflow.settings import config, detector
from xamsflow.settings.config import Config
from xamsflow.state import layout, live
from xamsflow.state.live import LiveRun
from xamsflow.views import live as page
from xamsflow.views.overview import picture

logger = logging.getLogger(__name__)

LONGEST_S = 2.0
"""A picture is also drawn this long after the first new data, if there is no pause until then."""

MOST_PIECES = 50
"""Pieces that wait here, and pieces read before a picture is drawn; more wait in the feed, which
limits their size."""


def main() -> None:
    """Show the run that is fed on the standard input."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # leaves no partial files behind
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    configuration = config.from_environment()
    document, arriving = pieces(sys.stdin.buffer)
    run = rundoc.parse(document)
    loaded = detector.load(configuration.detector)
    so_far, watch = SoFar(run, loaded), Watch(run, loaded)
    event = EventPicture(layout.run_id(run.number), loaded)
    for bunch in _bunches(arriving):
        for piece in bunch:
            so_far.add(piece)
            if watch.add(piece) and watch.new and watch.health is not None:
                notify.odd(configuration, watch.health, watch.new)
        try:
            _show(so_far, watch, run, configuration)
            if event.draw(so_far.event):
                page.make(configuration.detector)
        except XamsflowError as error:
            logger.warning("%s", error)
    notify.finish()


def _show(so_far: SoFar, watch: Watch, run: rundoc.Run, configuration: Config) -> None:
    run_id = layout.run_id(run.number)
    odd = tuple(map(str, watch.odd))
    picture.draw(so_far.contents(odd), layout.overview(run_id))
    event = so_far.event
    live.write(
        LiveRun(
            run_id=run_id,
            mode=run.mode,
            start=run.start,
            until=so_far.until,
            n_chunks=so_far.n_chunks,
            n_skipped=so_far.n_left_out,
            odd=odd,
            is_judged=watch.is_judged,
            compared=watch.compared,
            event=None if event is None else int(event.row["event_number"]),
            time=clock.now().isoformat(),
        )
    )
    page.make(configuration.detector)


def _bunches(arriving: Iterator[Piece | Pause]) -> Iterator[list[Piece]]:
    """Yield what has arrived until a pause, or until there is much of it."""
    waiting: queue.Queue[Piece | Pause | None] = queue.Queue(MOST_PIECES)

    def read() -> None:
        try:
            for item in arriving:
                waiting.put(item)
        finally:
            waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (item := waiting.get()) is not None:
        bunch, until = [], time.monotonic() + LONGEST_S
        with contextlib.suppress(queue.Empty):
            while isinstance(item, Piece):
                bunch.append(item)
                left_s = until - time.monotonic()
                if len(bunch) == MOST_PIECES or left_s <= 0:
                    break
                item = waiting.get(timeout=left_s)
        if bunch:
            yield bunch
        if item is None:
            return


if __name__ == "__main__":
    main()
