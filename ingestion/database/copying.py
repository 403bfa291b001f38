"""COPY into one of the raw tables."""

from psycopg2 import sql

from ingestion.message.tables import RawTable


def identifier(table: RawTable) -> sql.Identifier:
    """The quoted name of a raw table."""
    return sql.Identifier(table.schema, table.name)


def copy_statement(table: RawTable) -> sql.Composed:
    """The COPY statement for the lines of a table."""
    return sql.SQL("copy {} ({}) from stdin (format csv, null 'null')").format(
        identifier(table), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
