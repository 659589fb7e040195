"""Show each chunk of the data to a listener while they are computed."""

import logging
from collections.abc import Callable
from typing import Any

import strax
from strax.processors.post_office import Spy

from xamsflow.data.processor import Processor

logger = logging.getLogger(__name__)

Listener = Callable[[str, strax.Chunk], None]
"""Called with a data type and a chunk of it, which must not be changed."""


def tapped(listen: Listener) -> type[Processor]:
    """Return the processor that also shows each chunk to a listener.

    The listener gets chunks as they are computed; for files, strax joins small ones. If it fails,
    it is not called again, and processing continues.
    """
    listener = _Listener(listen)

    class Tapped(Processor):
        def __init__(self, components: Any, *args: Any, **options: Any) -> None:
            super().__init__(components, *args, **options)
            for data_type in components.plugins:
                self.post_office.register_spy(_Tap(data_type, listener), topic=data_type)

    return Tapped


class _Listener:
    """Calls a function until it fails."""

    def __init__(self, listen: Listener) -> None:
        self._listen: Listener | None = listen

    def __call__(self, data_type: str, chunk: strax.Chunk) -> None:
        if self._listen is None:
            return
        try:
            self._listen(data_type, chunk)
        except Exception:
            logger.warning("nobody looks at the data any more", exc_info=True)
            self._listen = None


class _Tap(Spy):  # type: ignore[misc]
    def __init__(self, data_type: str, listener: _Listener) -> None:
        self._data_type = data_type
        self._listener = listener

    def receive(self, msg: strax.Chunk) -> None:
        """Show a chunk."""
        self._listener(self._data_type, msg)
