"""Decides fast whether two tables differ, as differences.sql does, but without details.

Each copy of a row counts, nulls are equal to nulls, and columns are matched by name and must have the same type.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor

_COMPARED_AS_JSONB = ("json", "jsonb", "xml", "character", "citext", "point", "polygon", "box", "circle")
"""Types without equality, or whose equality differs from that of their jsonb."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table to compare with.

    Attributes:
        name: the temporary table.
        columns: names and types of its columns, by name.
        excluded: columns that are not compared.
        where: SQL condition for the rows of the other table that are compared. None: all rows.
        own_where: SQL condition for its own rows that are compared. None: all rows.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    excluded: tuple[str, ...]
    where: str | None = None
    own_where: str | None = None


_COLUMNS = """
    select
        array_agg(a.attname::text order by a.attname::text),
        array_agg(format_type(a.atttypid, a.atttypmod) order by a.attname::text)
    from pg_catalog.pg_attribute as a
    where a.attrelid = {relation}::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname::text <> all({excluded}::text[])
"""


def shape_of(query: cursor, name: str, excluded: Sequence[str]) -> Shape:
    """Look up the columns of a temporary table."""
    query.execute(_columns_of(name, excluded))
    names, types = query.fetchall()[0]
    return Shape(name, tuple(zip(names or (), types or (), strict=True)), tuple(excluded))


def differs(query: cursor, actual: str, expected: Shape) -> bool:
    """Whether a temporary table differs from the expected one.

    It may differ in a column, a type, a row or the number of its copies. If a statement fails, the transaction must be
    rolled back. A missing column is found without a failure.
    """
    if shape_of(query, actual, expected.excluded).columns != expected.columns:
        return True
    columns = sql.SQL(", ").join(
        sql.SQL("to_jsonb({})" if kind.split("(")[0] in _COMPARED_AS_JSONB else "{}").format(sql.Identifier(name))
        for name, kind in expected.columns
    )
    rows = [
        sql.SQL("select {} from {} where\n{}\n").format(
            columns, sql.Identifier("pg_temp", name), sql.SQL(where or "true")
        )
        for name, where in ((actual, expected.where), (expected.name, expected.own_where))
    ]
    query.execute(sql.SQL("select exists (({0}) except all ({1})) or exists (({1}) except all ({0}))").format(*rows))
    return bool(query.fetchall()[0][0])


def _columns_of(name: str, excluded: Sequence[str]) -> sql.Composed:
    return sql.SQL(_COLUMNS).format(
        relation=sql.Literal('pg_temp."' + name.replace('"', '""') + '"'), excluded=sql.Literal(list(excluded))
    )
