"""Open PostgreSQL sessions, each as one of the roles."""

import socket

import psycopg2

from ingestion.errors import DatabaseUnavailable
from ingestion.settings import DatabaseSettings, role, role_password

_ANSWERS_WITHIN = 5.0  # seconds


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
    """
    database_settings = DatabaseSettings.from_environment()
    name, password_variable = role(job)
    password = role_password(job)
    try:
        return psycopg2.connect(
            host=database_settings.host,
            port=database_settings.port,
            dbname=database or database_settings.name,
            sslmode=database_settings.sslmode,
            connect_timeout=within or database_settings.connect_timeout,
            # If the server's machine vanishes, a statement fails in half a minute; by default it would wait for hours.
            keepalives_idle=10,  # seconds of silence, for example while a statement runs, before the first probe
            keepalives_interval=5,
            keepalives_count=4,
            tcp_user_timeout=(within or 30) * 1000,  # milliseconds that sent data may stay unacknowledged
            client_encoding="UTF8",  # the encoding of COPY's bytes, whatever PGCLIENTENCODING says
            user=name,
            password=password,
            application_name=application_name,
        )
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
