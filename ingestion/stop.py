"""Stop on SIGTERM or Ctrl-C: an event that can be set any time, even by a signal handler."""

import multiprocessing
import signal
from threading import Event

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop(Event):
    """An Event whose methods take no lock.

    A signal handler runs between any two steps of the main thread. If it set an ordinary Event while the main thread is
    about to wait for it, or is setting it for another signal, it would wait forever for a lock that its own thread
    holds.
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
            self._tell.send_bytes(b"stop")  # nobody reads it, so it stays there for all who wait

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set or the time is over; return whether it is set."""
        return self._told.poll(timeout)


def on_signals() -> Stop:
    """Return an event that is set when this process is told to stop.

    Call it from the main thread.
    """
    stop = Stop()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop
