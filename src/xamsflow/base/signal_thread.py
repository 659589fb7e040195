"""Signals handled in a thread of their own, where a handler may wait for locks.

Python calls a handler in the main thread, between any two of its instructions. A handler that waits
for a lock that the main thread holds waits forever, and the main thread with it.
"""

import queue
import signal
import threading


def handle_in_thread(number: signal.Signals) -> None:
    """Have the present handler of a signal called in a thread from now on; do this once.

    Must be called in the main thread. The handler gets None for the interrupted frame.
    """
    handler = signal.getsignal(number)
    assert callable(handler), "a signal without a handler needs no thread"
    received: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put() may interrupt itself

    def work() -> None:
        while True:
            handler(received.get(), None)

    threading.Thread(target=work, name=number.name, daemon=True).start()
    signal.signal(number, lambda number, _frame: received.put(number))
