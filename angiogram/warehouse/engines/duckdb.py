"""DuckDB, a database in a file that this process opens, reached through dbt's own adapter.

dbt opens the file with each command and closes it afterwards. The session here keeps it open meanwhile, so that no
other process can write it, and temporary tables outlast dbt's commands. The module `duckdb` comes with the extra of
that name and is imported only when a session is opened.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from psycopg2 import sql
from psycopg2.extras import Json

from angiogram.warehouse.engines.protocol import Query, Statement, StatementFailed, nothing_to_do

_PLACEHOLDER = re.compile(r"%(?:(?P<percent>%)|s|\((?P<name>\w+)\)s)")
_CHANGES = re.compile(r"\s*(insert|update|delete|merge)\b", re.IGNORECASE)
_EXCEPTED = re.compile(r"[\[(]|\b(?:json|struct|map|union)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result: its name, and its type as DuckDB writes it."""

    name: str
    type_code: str


class DuckSession:
    """A session in a DuckDB database. See `angiogram.warehouse.engines.protocol.Warehouse`."""

    autocommit = True

    def __init__(self, environment: Any) -> None:
        """Open the database with the settings of the profile.

        Args:
            environment: dbt-duckdb's own object for a profile, which opens the file, attaches others, and sets options.
        """
        self._environment = environment
        self._handle = environment.handle()
        self.connection = self._handle.cursor()
        self.connection.execute("set TimeZone = 'UTC'")

    def cursor(self) -> "DuckQuery":
        """Return a query of this session."""
        return DuckQuery(self)

    def close(self) -> None:
        """End the session, and close the file."""
        self._handle.close()
        self._environment.close()


class DuckQuery:
    """Runs statements in a DuckDB session and holds the rows of the latest one."""

    def __init__(self, session: DuckSession) -> None:
        self.connection = session
        self.rowcount = -1
        self.description: list[ResultColumn] | None = None
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._rows = iter(())

    def execute(self, query: Statement, vars: Any = None, /) -> None:
        """Run a statement, and fetch its rows.

        Raises:
            StatementFailed: DuckDB cannot carry it out.
        """
        import duckdb

        text = query if isinstance(query, str) else rendered(query)
        failed = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError)
        try:
            if vars is None:
                result = self.connection.connection.execute(text)
            else:
                result = self.connection.connection.execute(*_bound(text, vars))
            rows = result.fetchall() if result.description else []
            columns = [ResultColumn(name, str(kind)) for name, kind, *_ in result.description or ()]
        except (*failed, duckdb.InternalError) as error:
            raise StatementFailed(str(error)) from error
        self.rowcount = rows[0][0] if _CHANGES.match(text) and len(rows) == 1 else len(rows)
        self._rows, self.description = iter(rows), columns

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        return list(self._rows)


class DuckEngine:
    """DuckDB. See `angiogram.warehouse.engines.protocol.Engine`."""

    name = "duckdb"
    temporary_schema = "temp"
    keeps_notes = False

    def exists(self, query: Query, relation: str) -> bool:
        """Whether there is a relation of this name."""
        return bool(self.columns(query, relation))

    def schema_of(self, query: Query, name: str | None) -> str | None:
        """The schema in which the session finds a relation that is named without one."""
        query.execute(
            "select schema_name from (select schema_name, table_name as name from duckdb_tables()"
            " union all select schema_name, view_name from duckdb_views() where not internal)"
            " where lower(name) = lower(%s) and schema_name = current_schema()",
            (name,),
        )
        row = query.fetchone()
        return str(row[0]) if row else None

    def columns(self, query: Query, relation: str) -> dict[str, str]:
        """Types of a relation's columns by name, in order."""
        try:
            query.execute(sql.SQL("select column_name, column_type from (describe {})").format(sql.SQL(relation)))
        except StatementFailed:
            return {}
        return dict(query.fetchall())

    def typed_columns(self, query: Query, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Types of relations' columns by name, in order."""
        found = {name: self.columns(query, relation) for name, relation in relations.items()}
        return {name: columns for name, columns in found.items() if columns}

    def counting_all(self, relation: sql.Composable) -> sql.Composable:
        """Statement that counts the rows of a relation and reads each cell on the way."""
        return sql.SQL("select count(hash(made)) from {} as made").format(relation)

    @contextmanager
    def undone(self, query: Query) -> Iterator[None]:
        """Drop at the end the temporary relations that are made inside.

        DuckDB has no savepoints, and a statement that fails ends its transaction.
        """
        before = set(_temporary(query))
        try:
            yield
        finally:
            for kind, name in _temporary(query):
                if (kind, name) not in before:
                    query.execute(sql.SQL("drop {} {}").format(sql.SQL(kind), sql.Identifier("temp", name)))

    def attempted(self, query: Query) -> AbstractContextManager[None]:
        """Do nothing: in autocommit a statement that fails leaves nothing behind."""
        return nothing_to_do()

    def is_unknown_column(self, error: BaseException) -> bool:
        """Whether a statement failed because it names a column that does not exist.

        DuckDB has no class of its own for this among the errors of binding.
        """
        import duckdb

        return isinstance(error.__cause__, duckdb.BinderException) and "column" in str(error).lower()

    def insert(self, query: Query, table: sql.Composable, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows of Python values into these columns of a table."""
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        one = sql.SQL("({})").format(sql.SQL(", ").join(sql.SQL("%s") for _ in names))
        rows = list(rows)
        for start in range(0, len(rows), 200):
            some = rows[start : start + 200]
            values = sql.SQL(", ").join([one] * len(some))
            query.execute(
                sql.SQL("insert into {} ({}) values {}").format(table, columns, values),
                [value for row in some for value in row],
            )

    def type_name(self, column: ResultColumn) -> str:
        """Name of the type of a column in a description, as dbt's contracts compare it."""
        return column.type_code.partition("(")[0]

    def seed_type(self, type_name: str) -> str:
        """Type that a seed is given to hold such a column."""
        return type_name

    def is_read_by_python(self, column: ResultColumn) -> bool:
        """Whether Python's text for a value of a column is what a seed needs."""
        return not _EXCEPTED.search(re.sub(r"^(DECIMAL|ENUM)\(.*\)$", "", column.type_code))

    def as_json(self, column: str, type_name: str) -> sql.Composable:
        """Expression for a column as JSON text, written as the comparison writes a cell."""
        from angiogram.warehouse.engines.portable import json_text

        return sql.SQL(json_text(self.name, rendered(sql.Identifier(column)), type_name).replace("%", "%%"))


def rendered(part: sql.Composable) -> str:
    """Return composed SQL as text, with names and literals quoted as DuckDB reads them."""
    match part:
        case sql.Composed():
            return "".join(rendered(one) for one in part.seq)
        case sql.SQL():
            return part.string
        case sql.Identifier():
            return ".".join('"' + name.replace('"', '""') + '"' for name in part.strings)
        case sql.Literal():
            return _literal(part.wrapped)
        case sql.Placeholder():
            return f"%({part.name})s" if part.name else "%s"
    raise TypeError(f"{type(part).__name__} cannot be written as SQL")


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return str(value)
        case str() | date() | datetime():
            return "'" + str(value).replace("'", "''") + "'"
    raise TypeError(f"{type(value).__name__} cannot be written as a literal")


def _bound(text: str, values: Any) -> tuple[str, Any]:
    """Return a statement and its values with DuckDB's placeholders."""
    names: list[str] = []

    def placeholder(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        if found["name"]:
            names.append(found["name"])
            return f"${found['name']}"
        return "?"

    text = _PLACEHOLDER.sub(placeholder, text)
    if isinstance(values, Mapping):
        return text, {name: _value(value) for name, value in values.items() if name in names}
    return text, [_value(value) for value in values]


def _value(value: Any) -> Any:
    return value.dumps(value.adapted) if isinstance(value, Json) else value


def _temporary(query: Query) -> list[tuple[str, str]]:
    """Kinds and names of the session's temporary relations, views first."""
    query.execute(
        "select 'view', view_name from duckdb_views() where temporary and not internal"
        " union all select 'table', table_name from duckdb_tables() where temporary order by 1 desc, 2"
    )
    return [(kind, name) for kind, name in query.fetchall()]


def conflicting_process(error: BaseException) -> str | None:
    """What DuckDB says of the process that has the file open.

    None if the error has another cause.
    """
    found = re.search(r"Conflicting lock is held in (.*?\(PID \d+\))", str(error))
    return found[1] if found else None
