"""Opens sessions on the database of the project's dbt profile, where sensitivity works too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.core.errors import DbtFailed, NotReady, UnsupportedProject
from angiogram.dbt.command import profile_name
from angiogram.warehouse.engines.duckdb_file import let_go, open_file
from angiogram.warehouse.engines.duckdb_scratch import DuckScratch
from angiogram.warehouse.engines.postgres_scratch import PostgresScratch
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.engines.scratch import Scratch


def open_warehouse(
    directory: Path,
    target: str,
    wait: float = 0.0,
    say: Callable[[str], None] = print,
    *,
    may_be_empty: bool = False,
) -> Warehouse:
    """Open a session in the database of a target, in autocommit. The caller closes it.

    Args:
        directory: the project's folder. dbt must have read the project: only then does it know where the profiles are.
        target: the target.
        wait: seconds to wait at most for a process that has a database in a file open.
        say: receives a message about what is waited for.
        may_be_empty: whether a database in memory will do, in which there is nothing.

    Raises:
        DbtFailed: dbt cannot read the profile.
        UnsupportedProject: angiogram does not know the target's engine.
        NotReady: the database cannot be reached, or refuses the user.
        RunInHand: another process had the file open for longer than `wait`.
    """
    credentials = _credentials(directory, target)
    if credentials.type == "duckdb":
        return open_file(credentials, target, wait, say, may_be_empty=may_be_empty)
    (session,) = open_sessions(directory, target, 1)
    session.autocommit = True
    return session


def open_scratches(directory: Path, target: str, number: int) -> list[Scratch]:
    """Open sessions for temporary tables, which on DuckDB are in memory.

    Call it after dbt has read the project. The caller closes them.

    Raises:
        DbtFailed: dbt cannot read the profile.
        UnsupportedProject: angiogram does not know the target's engine.
        NotReady: the database cannot be reached, or refuses the user.
    """
    credentials = _credentials(directory, target)
    if credentials.type == "duckdb":
        let_go()  # others may build in the file meanwhile
        return [DuckScratch(credentials) for _ in range(number)]
    return [PostgresScratch(session) for session in open_sessions(directory, target, number)]


def open_sessions(directory: Path, target: str, number: int) -> list[connection]:
    """Open sessions with the credentials of the project's profile. The caller closes them.

    Call it after dbt has read the project. Only then does dbt remember where the profiles are.

    Raises:
        DbtFailed: dbt cannot read the profile.
        UnsupportedProject: the profile's target is not PostgreSQL.
        NotReady: PostgreSQL cannot be reached, or refuses the user.
    """
    credentials = _credentials(directory, target)
    if credentials.type != "postgres":
        raise UnsupportedProject(f"Target {target} of {directory} uses {credentials.type}, not PostgreSQL.")
    try:
        return [_open(credentials) for _ in range(number)]
    except psycopg2.Error as error:
        raise NotReady(
            f"PostgreSQL at {credentials.host}:{credentials.port} refused the connection for {credentials.user}: "
            f"{str(error).strip()}. Check the settings of target {target} in profiles.yml."
        ) from error


def _open(credentials: Any) -> connection:
    """Open a session with the profile's settings, including role and search path."""
    session = psycopg2.connect(
        host=credentials.host,
        port=credentials.port,
        dbname=credentials.database,
        user=credentials.user,
        password=credentials.password,
        sslmode=credentials.sslmode or "prefer",
        sslcert=credentials.sslcert,
        sslkey=credentials.sslkey,
        sslrootcert=credentials.sslrootcert,
        connect_timeout=credentials.connect_timeout,
        application_name="angiogram sensitivity",
    )
    with session, session.cursor() as query:
        if credentials.search_path:
            query.execute("select set_config('search_path', %s, false)", (credentials.search_path,))
        if credentials.role:
            query.execute(sql.SQL("set role {}").format(sql.SQL(credentials.role)))  # dbt takes it as SQL as well
    return session


def _credentials(directory: Path, target: str) -> Any:
    from dbt.config.runtime import load_profile
    from dbt_common.exceptions import DbtRuntimeError

    try:
        credentials = load_profile(str(directory), {}, profile_name(), target).credentials
    except DbtRuntimeError as error:
        raise DbtFailed(f"dbt cannot read the profile of {directory}: {error}") from error
    if credentials.type not in ("postgres", "duckdb"):
        raise UnsupportedProject(
            f"Target {target} of {directory} uses {credentials.type}. angiogram works on PostgreSQL and DuckDB."
        )
    return credentials
