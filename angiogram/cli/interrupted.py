"""Says what Ctrl-C or SIGTERM stopped."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from angiogram.core.interrupts import raise_if_told


@contextmanager
def interruptible(stopped: str) -> Iterator[None]:
    """Say what was stopped if the body, or the command that this decorates, is interrupted.

    Args:
        stopped: a sentence for stderr.

    Raises:
        KeyboardInterrupt: it was interrupted; the command exits with 130.
    """
    try:
        yield
        raise_if_told()
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"Interrupted. {stopped}", markup=False)
        raise
