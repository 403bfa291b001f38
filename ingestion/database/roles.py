"""Create the roles, the databases and dbt's schemas: `bootstrap`, run as superuser.

The migrations create everything inside the raw schemas, as the owner. Only what the owner may not do is here.
"""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection, cursor, encrypt_password

from ingestion.contract import ANGIOGRAM, OWNER, Contract
from ingestion.errors import DatabaseUnavailable, SettingsError
from ingestion.settings import AdministratorSettings, DatabaseSettings, role_password
from ingestion.settings.pipeline import contract

AIRFLOW = "airflow"
"""Job of the role that owns Airflow's own database."""

AIRFLOW_DATABASE = "airflow"

OWNER_SCHEMAS = ("raw", "angiogram_raw", "angiogram")
"""The owner's schemas, filled by the migrations."""


def bootstrap(database: str | None = None) -> None:
    """Create roles, databases and schemas, and set the roles' passwords.

    It may be run again: except for the passwords, that changes nothing.

    Args:
        database: the pipeline's database, if not the one in PGDATABASE.

    Raises:
        SettingsError: the administrator or a role's password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the administrator.
    """
    pipeline = contract()
    name = database or DatabaseSettings.from_environment().name
    passwords = {role.name: role_password(job) for job, role in pipeline.roles.items()}
    server = connect_as_administrator("postgres")
    try:
        with server.cursor() as query:
            query.execute("select pg_advisory_lock(hashtext('ingestion'), hashtext('bootstrap'))")
            for role, password in passwords.items():
                _make_role(query, role, password)
            # Not the time zone of the live models: the dye thus detects a model that depends on its session's zone.
            query.execute(
                sql.SQL("alter role {} set timezone to 'America/New_York'").format(
                    sql.Identifier(pipeline.roles[ANGIOGRAM].name)
                )
            )
            guests = tuple(role.name for job, role in pipeline.roles.items() if job != AIRFLOW)
            _make_database(query, name, owner=pipeline.roles[OWNER].name, guests=guests)
            if AIRFLOW in pipeline.roles:
                _make_database(query, AIRFLOW_DATABASE, owner=pipeline.roles[AIRFLOW].name, guests=())
            inside = connect_as_administrator(name)
            try:
                with inside.cursor() as query_inside:
                    _make_schemas(query_inside, name, pipeline)
            finally:
                inside.close()
    finally:
        server.close()


def connect_as_administrator(database: str) -> connection:
    """Open an autocommit connection as superuser. The caller closes it.

    Args:
        database: name of the database.

    Raises:
        SettingsError: the administrator or the address is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the administrator.
    """
    settings = DatabaseSettings.from_environment()
    try:
        administrator = AdministratorSettings.from_environment()
    except SettingsError as error:
        raise SettingsError(f"bootstrap needs a superuser of PostgreSQL. {error}") from None
    try:
        server = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=database,
            sslmode=settings.sslmode,
            connect_timeout=settings.connect_timeout,
            user=administrator.user,
            password=administrator.password.get_secret_value(),
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
    # Otherwise the statement of a killed task runs to its end. The role's setting holds for dbt's sessions too.
    query.execute(sql.SQL("alter role {} set client_connection_check_interval to '5s'").format(sql.Identifier(role)))
    # Only the hash leaves this process: a password would end up in the server's statement log.
    hashed = encrypt_password(password, role, scope=query.connection, algorithm="scram-sha-256")
    query.execute(
        sql.SQL(
            "alter role {} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password {}"
        ).format(sql.Identifier(role), sql.Literal(hashed))
    )


def _make_database(query: cursor, name: str, owner: str, guests: tuple[str, ...]) -> None:
    query.execute("select from pg_database where datname = %s", (name,))
    if query.fetchone() is None:
        # The same collation on every machine, no matter how the server was initialised.
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


def _make_schemas(query: cursor, database: str, pipeline: Contract) -> None:
    query.execute("revoke all on schema public from public")
    for schema in OWNER_SCHEMAS:
        _make_schema(query, schema, pipeline.roles[OWNER].name)
    builders = {pipeline.roles[job].name: prefix for job, prefix in pipeline.model_roles.items()}
    for role, prefix in builders.items():
        for schema in pipeline.model_schemas:
            _make_schema(query, prefix + schema, role)
    # dbt's incremental models use temporary tables.
    angiogram = pipeline.roles[ANGIOGRAM].name
    for role in (*builders, angiogram):
        query.execute(
            sql.SQL("grant temporary on database {} to {}").format(sql.Identifier(database), sql.Identifier(role))
        )
    # Each run drops and recreates the angiogram schemas.
    query.execute(
        sql.SQL("grant create on database {} to {}").format(sql.Identifier(database), sql.Identifier(angiogram))
    )
    for job, schemas in pipeline.readers.items():
        for schema in schemas:
            for role in (role for role, prefix in builders.items() if not prefix):
                _let_read(query, pipeline.roles[job].name, schema, role)


def _let_read(query: cursor, reader: str, schema: str, builder: str) -> None:
    """Let a role read what is in a schema, and what its builder will create there."""
    names = {
        "reader": sql.Identifier(reader),
        "schema": sql.Identifier(schema),
        "builder": sql.Identifier(builder),
    }
    for statement in (
        "grant usage on schema {schema} to {reader}",
        "grant select on all tables in schema {schema} to {reader}",
        "alter default privileges for role {builder} in schema {schema} grant select on tables to {reader}",
    ):
        query.execute(sql.SQL(statement).format(**names))


def _make_schema(query: cursor, schema: str, owner: str) -> None:
    query.execute(
        sql.SQL("create schema if not exists {} authorization {}").format(sql.Identifier(schema), sql.Identifier(owner))
    )
