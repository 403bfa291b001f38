"""Shows on a terminal which node dbt is at, and leaves no trace behind."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from angiogram.dbt.runner.events import Started, told_of_each

_DOING = {"seed": "Loading seed", "test": "Testing", "unit_test": "Testing"}


@contextmanager
def progress(talk: Console, is_wanted: bool = True) -> Iterator[None]:
    """Show the progress of dbt's commands while a block runs.

    Nothing is shown where nobody watches.

    Args:
        talk: the console of standard error, through which all else is said meanwhile.
        is_wanted: whether to show it; False where dbt's own log is shown.
    """
    if not (is_wanted and talk.is_terminal):
        yield
        return
    with Live(Spinner("dots", "Reading the project"), console=talk, transient=True) as shown:

        def tell(started: Started) -> None:
            shown.update(Spinner("dots", in_words(started)), refresh=True)

        with told_of_each(tell):
            yield


def in_words(started: Started) -> str:
    """Return what dbt does, such as `Building 12 of 74: orders`."""
    return f"{_DOING.get(started.kind, 'Building')} {started.number} of {started.total}: {started.name}"
