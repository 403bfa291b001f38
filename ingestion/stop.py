"""Being told to end, by SIGTERM or Ctrl-C: an event that may be set at any moment, also in a signal's handler."""

import multiprocessing
import signal
from threading import Event

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop(Event):
    """An Event whose methods take no lock.

    A handler runs between any two steps of the main thread. An Event that it sets while that thread itself is about to
    wait for it, or sets it for another signal, would wait for ever for the lock that its own thread has.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._told, self._tell = multiprocessing.Pipe(duplex=False)

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, for good."""
        if not self._is_set:
            self._is_set = True
            self._tell.send_bytes(b"stop")  # nobody reads it: it stays there for all who wait

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many seconds have passed; tells which."""
        return self._told.poll(timeout)


def on_signals() -> Stop:
    """What is set from now on when this process is told to end. Call it from the main thread."""
    stop = Stop()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop
