"""Run a command line so that every error gets a message and an exit code.

Used by `ingestion` and `angiogram`.
"""

import getpass
import os
import traceback
from collections.abc import Callable

from rich.console import Console

from ingestion.addresses import without_user_info

_UNFORESEEN = 2  # could not run; 1 has a meaning of its own in each program


def run(app: Callable[[], object], program: str, exit_code_of: Callable[[Exception], int | None]) -> None:
    """Run a command line and exit; an error is printed as a message with an exit code.

    An unforeseen error is printed with its traceback too.

    Args:
        app: the command line.
        program: the program's name.
        exit_code_of: the exit code of an error; None if the program does not know it.
    """
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except Exception as error:
        exit_code, said = exit_code_of(error), str(error)
        if exit_code is None and (meaning := _of_the_database(error)):
            exit_code, said = _UNFORESEEN, meaning
        if exit_code is None:
            talk.print(without_user_info(traceback.format_exc().rstrip()), markup=False)
            name = type(error).__name__
            talk.print(f"{name} is an error that {program} does not know. Please report it, with the lines above.")
            raise SystemExit(_UNFORESEEN) from error
        talk.print(f"[red]{type(error).__name__}[/red]: ", end="")
        talk.print(without_user_info(said), markup=False)
        raise SystemExit(exit_code) from error


def _of_the_database(error: Exception) -> str | None:
    """The message for a PostgreSQL error that any command may meet; None for other errors."""
    import psycopg2  # already imported if such an error was raised

    from ingestion.database.errors import sentence

    return sentence(error) if isinstance(error, psycopg2.Error) else None


def who() -> str:
    """The current user, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return str(os.getuid())
