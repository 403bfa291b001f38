"""Open PostgreSQL sessions, each as one of the roles."""

import socket
from contextlib import closing
from typing import Any

import psycopg2

from ingestion.errors import ContractUnusable, DatabaseUnavailable, PooledByTransaction
from ingestion.settings import DatabaseSettings, role, role_password
from ingestion.settings.pipeline import Pipeline, pipeline

_ANSWERS_WITHIN = 5.0  # seconds

_NO_STREAM = "-"
"""The raw table of a pipeline without a contract. No table has this name."""


def connect(
    job: str, application_name: str, database: str | None = None, within: int | None = None
) -> "psycopg2.extensions.connection":
    """Open a PostgreSQL connection as the role with a job. The caller closes it.

    Args:
        job: one of the contract's roles, such as `owner`.
        application_name: the session's name in pg_stat_activity.
        database: the database, if not the one in PGDATABASE.
        within: seconds that connecting, and each answer of the network, may take; by default PGCONNECT_TIMEOUT, and 30.

    Raises:
        SettingsError: address or password is not set.
        ContractUnusable: the job's role is in the contract, which cannot be used.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the role.
        PooledByTransaction: a pooler in transaction mode is between here and PostgreSQL.
    """
    database_settings = DatabaseSettings.from_environment()
    name, password_variable = role(job)
    options = _options(database_settings, name, role_password(job), application_name, database, within)
    try:
        opened: psycopg2.extensions.connection = psycopg2.connect(**options)
        try:
            _require_own_session(opened, options)
            _work_for(opened, pipeline())
        except BaseException:
            opened.close()
            raise
        return opened
    except psycopg2.OperationalError as error:
        place = f"PostgreSQL at {database_settings.host}:{database_settings.port}"
        said = " ".join(str(error).split()).rstrip(".?")
        if _answers(database_settings.host, database_settings.port):
            raise DatabaseUnavailable(
                f"{place} is running, but refused the connection for role {name}: {said}. Check its password, "
                f"{password_variable}, and PGDATABASE and PGSSLMODE. `ingestion bootstrap` makes roles and "
                "databases, and sets the passwords from the environment."
            ) from error
        raise DatabaseUnavailable(
            f"{place} did not answer for role {name}: {said}. Is it running (`sandbox status`), and are PGHOST and "
            "PGPORT right?"
        ) from error


def _work_for(opened: "psycopg2.extensions.connection", pipeline: Pipeline) -> None:
    """Say for which pipeline and stream the session works.

    What it writes carries both names, see migration 0028."""
    try:
        table = pipeline.contract().table if pipeline.contract_path else _NO_STREAM
    except ContractUnusable:
        table = ""  # of which stream is not known: nothing is hidden
    with opened.cursor() as query:
        query.execute(
            "select set_config('angiogram.pipeline', %s, false), set_config('angiogram.raw_table', %s, false)",
            (pipeline.name, table),
        )
    opened.commit()


def _require_own_session(opened: "psycopg2.extensions.connection", options: dict[str, Any]) -> None:
    """Make sure that no pooler gives this session's place to others between two transactions.

    A pooler gives a connection a number of its own, not that of a session of PostgreSQL. One that shares sessions hands
    the one that was just used to whoever begins a transaction next.

    Raises:
        PooledByTransaction: one does.
    """
    mine = _backend(opened)
    opened.rollback()
    if mine == opened.info.backend_pid:
        return
    with closing(psycopg2.connect(**options)) as other:
        theirs = _backend(other)  # in a transaction that stays open
        if theirs == mine or _backend(opened) != mine:
            raise PooledByTransaction(
                f"At {options['host']}:{options['port']} is a connection pooler in transaction mode, under which a "
                "session's locks do not hold: connect to PostgreSQL itself, or set the pooler's pool_mode to session."
            )
    opened.rollback()


def _backend(session: "psycopg2.extensions.connection") -> int:
    with session.cursor() as query:
        query.execute("select pg_backend_pid()")
        return int(query.fetchall()[0][0])


def _options(
    database_settings: DatabaseSettings,
    user: str,
    password: str,
    application_name: str,
    database: str | None,
    within: int | None,
) -> dict[str, Any]:
    return {
        "host": database_settings.host,
        "port": database_settings.port,
        "dbname": database or database_settings.name,
        "sslmode": database_settings.sslmode,
        "connect_timeout": within or database_settings.connect_timeout,
        # If the server's machine vanishes, a statement fails in half a minute; by default it would wait for hours.
        "keepalives_idle": 10,  # seconds of silence, for example while a statement runs, before the first probe
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": (within or 30) * 1000,  # milliseconds that sent data may stay unacknowledged
        "client_encoding": "UTF8",  # the encoding of COPY's bytes, whatever PGCLIENTENCODING says
        "user": user,
        "password": password,
        "application_name": application_name,
    }


def _answers(host: str, port: int) -> bool:
    """Whether anything listens at the address: then the address is not the mistake."""
    try:
        if host.startswith("/"):  # the folder of a Unix socket
            with socket.socket(socket.AF_UNIX) as there:
                there.settimeout(_ANSWERS_WITHIN)
                there.connect(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host, port), timeout=_ANSWERS_WITHIN).close()
    except (OSError, UnicodeError):
        return False
    return True
