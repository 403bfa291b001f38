"""Opens sessions on the database of the project's dbt profile, where sensitivity works too."""

from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.core.errors import DbtFailed, NotReady, UnsupportedProject
from angiogram.dbt.command import profile_name


def open_sessions(directory: Path, target: str, number: int) -> list[connection]:
    """Open sessions with the credentials of the project's profile. The caller closes them.

    Call it after dbt has read the project. Only then does dbt remember where the profiles are.

    Raises:
        DbtFailed: dbt cannot read the profile.
        UnsupportedProject: the profile's target is not PostgreSQL.
        NotReady: PostgreSQL cannot be reached, or refuses the user.
    """
    credentials = _credentials(directory, target)
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
    if credentials.type != "postgres":
        raise UnsupportedProject(f"Target {target} of {directory} uses {credentials.type}, not PostgreSQL.")
    return credentials
