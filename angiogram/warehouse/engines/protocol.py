"""What angiogram asks of the database that holds the models.

A `Warehouse` is a session: it runs SQL and returns typed rows. A connection of psycopg2 is one as it is, so PostgreSQL
pays for no layer in between. An `Engine` holds what differs between databases: how to look up columns, where temporary
relations live, how to undo, and how values are written as JSON.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, Self

from psycopg2 import sql

Statement = str | sql.Composable
"""SQL as text, or composed of parts whose names and literals the engine quotes."""


class StatementFailed(Exception):
    """A statement that an engine without exceptions of its own classes cannot carry out.

    Failures of the database or the session are not among them.
    """


class Query(Protocol):
    """Runs statements in a session and holds the rows of the latest one."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the latest statement returned or changed."""

    @property
    def description(self) -> Any:
        """The columns of the latest result, each with name and type_code. None if it has none."""

    def execute(self, query: Statement, vars: Any = ..., /) -> Any:
        """Run a statement. `%s` and `%(name)s` stand for values if there are any."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: Any) -> Any:
        """Let go of the rows."""


class Warehouse(Protocol):
    """A session in the database that holds the models, in autocommit."""

    def cursor(self) -> Query:
        """Return a query of this session."""

    def close(self) -> None:
        """End the session."""


class Engine(Protocol):
    """What differs between the databases."""

    @property
    def name(self) -> str:
        """The name, as dbt calls its adapter."""

    @property
    def temporary_schema(self) -> str:
        """Where a session's temporary relations live."""

    @property
    def keeps_notes(self) -> bool:
        """Whether live builds keep notes here: what they built, and the views of people."""

    def exists(self, query: Query, relation: str) -> bool:
        """Whether there is a relation of this name, quoted."""

    def schema_of(self, query: Query, name: str | None) -> str | None:
        """The schema in which the session finds a relation that is named without one."""

    def columns(self, query: Query, relation: str) -> dict[str, str]:
        """Types of a relation's columns by name, in order. Empty if the relation does not exist.

        Args:
            query: a query of the session.
            relation: its name, quoted.
        """

    def typed_columns(self, query: Query, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """The same for several relations, by any key. Those that do not exist are left out."""

    def counting_all(self, relation: sql.Composable) -> sql.Composable:
        """Statement that counts the rows of a relation and reads each cell on the way."""

    def undone(self, query: Query) -> AbstractContextManager[None]:
        """Undo at the end what is made inside: temporary relations at least."""

    def attempted(self, query: Query) -> AbstractContextManager[None]:
        """Let an open transaction continue after a statement inside fails."""

    def is_unknown_column(self, error: BaseException) -> bool:
        """Whether a statement failed because it names a column that does not exist."""

    def insert(self, query: Query, table: sql.Composable, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows of Python values into these columns of a table."""

    def type_name(self, column: Any) -> str:
        """Name of the type of a column in a description.

        Types that dbt's contracts take for one have one name.
        """

    def seed_type(self, type_name: str) -> str:
        """Type that a seed is given to hold such a column.

        It has a precision where the engine would round without one.
        """

    def is_read_by_python(self, column: Any) -> bool:
        """Whether Python's text for a value of a column in a description is what a seed needs."""

    def as_json(self, column: str, type_name: str) -> sql.Composable:
        """Expression for a column as JSON text, written as the comparison writes a cell."""


@contextmanager
def nothing_to_do() -> Iterator[None]:
    """Do nothing around a block."""
    yield
