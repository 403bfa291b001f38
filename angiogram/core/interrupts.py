"""Ctrl-C and SIGTERM: an interrupt that is not lost, wherever it arrives."""

import signal

from angiogram.core.errors import Terminated

_told_to_stop: type[KeyboardInterrupt] | None = None


def interrupt(signal_number: int, frame: object) -> None:
    """The answer to Ctrl-C and SIGTERM: end the run, and release it.

    Raises:
        KeyboardInterrupt: always; should it be lost on its way, as in a destructor, `raise_if_told` raises it again.
        Terminated: in its place for SIGTERM.
    """
    global _told_to_stop
    # No Event: the lock that it takes may be this thread's own, in the midst of another signal.
    _told_to_stop = Terminated if signal_number == signal.SIGTERM else KeyboardInterrupt
    raise _told_to_stop


def raise_if_told() -> None:
    """Raise the interrupt once more, if there was one: it may have been lost on its way."""
    if _told_to_stop:
        raise _told_to_stop
