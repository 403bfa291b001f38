"""Handles Ctrl-C and SIGTERM so that an interrupt is never lost, wherever it arrives."""

import signal

from angiogram.core.errors import Terminated

_told_to_stop: type[KeyboardInterrupt] | None = None


def interrupt(signal_number: int, frame: object) -> None:
    """Handle Ctrl-C and SIGTERM: end the run, and release it.

    Raises:
        KeyboardInterrupt: always; if it gets lost, as in a destructor, `raise_if_told` raises it again.
        Terminated: instead, for SIGTERM.
    """
    global _told_to_stop
    # Not an Event: this thread may already hold its lock while it handles another signal.
    _told_to_stop = Terminated if signal_number == signal.SIGTERM else KeyboardInterrupt
    raise _told_to_stop


def raise_if_told() -> None:
    """Raise the interrupt again if there was one, since it may have been lost."""
    if _told_to_stop:
        raise _told_to_stop
