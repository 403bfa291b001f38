"""Opens the DuckDB file that a target of dbt-duckdb names.

A file is open for writing in one process at a time, which keeps two runs apart.
"""

import time
from collections.abc import Callable
from typing import Any

from angiogram.core.errors import NotReady, RunInHand, UnsupportedProject
from angiogram.core.short_message import in_a_line
from angiogram.warehouse.engines.duckdb import DuckSession, conflicting_process

_LOOK_AGAIN = 0.5
"""Seconds after which a file that another process has open is tried again. DuckDB reports no release."""


def let_go() -> None:
    """Close the file that dbt's adapter keeps open in this process after a command."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    connections: Any = DuckDBConnectionManager
    if connections._ENV is not None:
        connections._ENV.close()
    connections.close_all_connections()


def open_file(
    credentials: Any,
    target: str,
    wait: float = 0.0,
    say: Callable[[str], None] = lambda _: None,
    *,
    may_be_empty: bool = False,
) -> DuckSession:
    """Open the file that a target of dbt-duckdb names.

    Args:
        credentials: of the target, as dbt reads them.
        target: its name.
        wait: seconds to wait at most for a process that has the file open.
        say: receives a message about what is waited for.
        may_be_empty: whether a database in memory will do, in which there is nothing.

    Raises:
        UnsupportedProject: the target's database is in memory.
        NotReady: the file cannot be opened.
        RunInHand: another process had it open for longer than `wait`.
    """
    import duckdb
    from dbt.adapters.duckdb.environments import create

    if credentials.path == ":memory:" and not may_be_empty:
        raise UnsupportedProject(
            f"Target {target} keeps its database in memory, which is gone after each dbt command. Give it a `path` in "
            "profiles.yml."
        )
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            return DuckSession(create(credentials))
        except duckdb.Error as error:
            holder = conflicting_process(error)
            if holder is None:
                raise NotReady(
                    f"DuckDB cannot open {credentials.path} for target {target}: {in_a_line(str(error))} Check `path` "
                    "in profiles.yml, which counts from the folder where the command starts."
                ) from error
            if time.monotonic() >= deadline:
                raise RunInHand(
                    f"{credentials.path} was open in another process ({holder}) after {wait:g} s of waiting. Close it "
                    "there, or run again when that process is done."
                ) from None
            if not told:
                say(f"{credentials.path} is open in another process ({holder}). Waiting for it to end.")
                told = True
            time.sleep(_LOOK_AGAIN)
