"""A handler that waits for a lock does not stop the thread that holds it."""

import os
import signal
import threading

from xamsflow.base.signal_thread import handle_in_thread


def test_a_handler_may_wait_for_a_lock_of_the_main_thread():
    lock, received, all_received = threading.Lock(), [], threading.Event()

    def handler(number, _frame):
        with lock:
            received.append(number)
        if len(received) == 3:
            all_received.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        handle_in_thread(signal.SIGUSR1)
        with lock:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGUSR1)
        assert all_received.wait(30)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert received == [signal.SIGUSR1] * 3
