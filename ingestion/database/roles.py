"""Database roles, databases and the schemas that dbt writes: made by `bootstrap`, as superuser, as often as wanted.

Everything inside the raw schemas is made by the migrations, as taxi_owner. Only what taxi_owner may not do is here.
"""

import os

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection, cursor, encrypt_password

from ingestion.errors import DatabaseUnavailable, SettingsError
from ingestion.settings import ROLE_PASSWORDS, DatabaseSettings, role_password

AIRFLOW_DATABASE = "airflow"

OWNER_SCHEMAS = ("raw", "angiogram_raw", "angiogram")
"""Schemas of taxi_owner, filled by the migrations."""

MODEL_SCHEMAS = ("staging", "intermediate", "facts", "dimensions", "revenue", "reference", "test_failures")
"""Schemas that dbt fills: under these names for target prod, with the prefix `dev_` for target dev."""

DBT_ROLES = {"dbt_prod": "", "dbt_dev": "dev_"}
"""dbt role of a target and the prefix of its schemas."""


def bootstrap(database: str | None = None) -> None:
    """Make roles, databases and schemas; passwords are set anew. Running it again changes nothing else.

    Args:
        database: another name than PGDATABASE for the database of the rides.

    Raises:
        SettingsError: the administrator or a role's password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the administrator.
    """
    name = database or DatabaseSettings.from_environment().name
    passwords = {role: role_password(role) for role in ROLE_PASSWORDS}
    server = connect_as_administrator("postgres")
    try:
        with server.cursor() as query:
            query.execute("select pg_advisory_lock(hashtext('ingestion'), hashtext('bootstrap'))")
            for role, password in passwords.items():
                _make_role(query, role, password)
            # Another zone than that of the live models: one that depends on its session's zone is seen by the dye.
            query.execute("alter role angiogram set timezone to 'America/New_York'")
            _make_database(query, name, owner="taxi_owner", guests=tuple(r for r in ROLE_PASSWORDS if r != "airflow"))
            _make_database(query, AIRFLOW_DATABASE, owner="airflow", guests=())
            rides = connect_as_administrator(name)
            try:
                with rides.cursor() as rides_query:
                    _make_schemas(rides_query, name)
            finally:
                rides.close()
    finally:
        server.close()


def connect_as_administrator(database: str) -> connection:
    """Open a connection as superuser, in autocommit. The caller closes it.

    Args:
        database: which one.

    Raises:
        SettingsError: the administrator or the address is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the administrator.
    """
    settings = DatabaseSettings.from_environment()
    for variable in ("PG_ADMIN_USER", "PG_ADMIN_PASSWORD"):
        if not os.environ.get(variable):
            raise SettingsError(
                f"{variable} is not set: bootstrap needs a superuser of PostgreSQL. "
                'In the sandbox run eval "$(sandbox env)".'
            )
    try:
        server = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=database,
            sslmode=settings.sslmode,
            connect_timeout=settings.connect_timeout,
            user=os.environ["PG_ADMIN_USER"],
            password=os.environ["PG_ADMIN_PASSWORD"],
            application_name="ingestion bootstrap",
        )
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(
            f"PostgreSQL at {settings.host}:{settings.port} refused the administrator: {str(error).strip()}. "
            "Is it running, and are PG_ADMIN_USER and PG_ADMIN_PASSWORD right?"
        ) from error
    server.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    return server


def _make_role(query: cursor, role: str, password: str) -> None:
    query.execute("select from pg_roles where rolname = %s", (role,))
    if query.fetchone() is None:
        query.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    # Only the hash leaves this process: a password would end in the server's log of statements.
    hashed = encrypt_password(password, role, scope=query.connection, algorithm="scram-sha-256")
    query.execute(
        sql.SQL(
            "alter role {} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password {}"
        ).format(sql.Identifier(role), sql.Literal(hashed))
    )


def _make_database(query: cursor, name: str, owner: str, guests: tuple[str, ...]) -> None:
    query.execute("select from pg_database where datname = %s", (name,))
    if query.fetchone() is None:
        # The same collation on every machine, whatever the server was initialised with.
        query.execute(
            sql.SQL(
                "create database {} owner {} template template0 encoding 'UTF8' "
                "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
            ).format(sql.Identifier(name), sql.Identifier(owner))
        )
    database = sql.Identifier(name)
    query.execute(sql.SQL("revoke all on database {} from public").format(database))
    for guest in guests:
        query.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(guest)))


def _make_schemas(query: cursor, database: str) -> None:
    query.execute("revoke all on schema public from public")
    for schema in OWNER_SCHEMAS:
        _make_schema(query, schema, "taxi_owner")
    for role, prefix in DBT_ROLES.items():
        for schema in MODEL_SCHEMAS:
            _make_schema(query, prefix + schema, role)
    # dbt's incremental models go through temporary tables.
    for role in (*DBT_ROLES, "angiogram"):
        query.execute(
            sql.SQL("grant temporary on database {} to {}").format(sql.Identifier(database), sql.Identifier(role))
        )
    # Each run drops the angiogram schemas and makes them anew.
    query.execute(sql.SQL("grant create on database {} to angiogram").format(sql.Identifier(database)))
    query.execute("grant usage on schema revenue to marts_reader")
    query.execute("grant select on all tables in schema revenue to marts_reader")
    query.execute("alter default privileges for role dbt_prod in schema revenue grant select on tables to marts_reader")


def _make_schema(query: cursor, schema: str, owner: str) -> None:
    query.execute(
        sql.SQL("create schema if not exists {} authorization {}").format(sql.Identifier(schema), sql.Identifier(owner))
    )
