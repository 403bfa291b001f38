"""What sensitivity asks of a session: temporary tables, made and compared many times.

A `Scratch` is a session of its own that nobody else uses. Everything in it is temporary, so that nothing is left behind
even if the process is killed. What was made since `settle` is dropped by `undo`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from angiogram.dbt.manifest.expectation import EXACTLY, Expectation
from angiogram.warehouse.engines.protocol import Statement

TextRow = tuple[str | None, ...]
Columns = tuple[tuple[str, str], ...]
"""Names and types of a relation's columns."""

TIMEOUT_S = 10
"""A statement that takes longer is ended."""


class ScratchError(Exception):
    """A statement in a scratch session failed. A retry does not help.

    Other subclasses than those below are failures of the server or the session.
    """


class FailsOnData(ScratchError):
    """A statement fails on the rows that it meets."""


class RefusedAlways(ScratchError):
    """The engine refuses a statement whatever the data."""


class TakesTooLong(ScratchError):
    """A statement took longer than `TIMEOUT_S`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table to compare with.

    Attributes:
        name: the temporary table.
        columns: names and types of its columns, by name, without those that are not compared.
        excluded: columns that are not compared.
        where: SQL condition for the rows of the other table that are compared. None: all rows.
        own_where: SQL condition for its own rows that are compared. None: all rows.
        content: what the rows come to, where the engine compares by that.
        how: which of the columns are compared, and how exactly.
    """

    name: str
    columns: Columns
    excluded: tuple[str, ...]
    where: str | None = None
    own_where: str | None = None
    content: Any = None
    how: Expectation = EXACTLY

    def chosen(self, columns: Columns) -> Columns:
        """Return those of a table's columns that are compared."""
        return chosen(columns, self.how)

    def has_same(self, columns: Columns) -> bool:
        """Return whether a table with these compared columns has the expected ones."""
        if self.how.types:
            return columns == self.columns
        return [name for name, _ in columns] == [name for name, _ in self.columns]


def chosen(columns: Columns, how: Expectation) -> Columns:
    """Return the columns that an expectation compares, without those that it excludes."""
    wanted = {*how.only, *how.key}
    return tuple(one for one in columns if one[0] not in how.exclude and (not how.only or one[0] in wanted))


class Scratch(Protocol):
    """A session for temporary tables. Threads must not share it."""

    @property
    def dialect(self) -> str:
        """The engine's name, as dbt and sqlglot call it."""

    @property
    def temporary_schema(self) -> str:
        """Where temporary relations live."""

    def begin(self, time_zone: str | None) -> None:
        """Drop all tables, and set the time zone. None: the session's own."""

    def settle(self) -> None:
        """Keep what was made so far. From now on a statement takes `TIMEOUT_S` at most."""

    def undo(self) -> None:
        """Drop what was made since `settle`, whether it failed or not."""

    def fill(self, name: str, columns: Columns, rows: Iterable[TextRow]) -> None:
        """Make a table of rows whose values are texts, or null."""

    def make(self, name: str, query: str) -> None:
        """Make a table of a query's rows."""

    def make_again(self, name: str, query: str) -> None:
        """Make a table of a query's rows, in place of one that has its name."""

    def copy(self, name: str, original: str) -> None:
        """Make a table like another one, with its rows."""

    def run(self, statement: Statement) -> None:
        """Run a statement."""

    def finds_rows(self, query: str) -> bool:
        """Whether a query finds rows, or cannot be run. The session continues."""

    def rows(self, query: str, most: int) -> list[TextRow]:
        """The first rows of a query of texts."""

    def describe(self, query: str) -> Columns:
        """Names and types of a query's columns.

        Types that differ in a precision alone have one name.
        """

    def columns(self, name: str) -> Columns:
        """Names and types of a table's columns, by name."""

    def shape(
        self,
        name: str,
        excluded: Sequence[str] = (),
        where: str | None = None,
        own_where: str | None = None,
        how: Expectation = EXACTLY,
    ) -> Shape:
        """Return what other tables are compared with. The table must not change afterwards."""

    def differs(self, name: str, expected: Shape) -> bool:
        """Whether a table differs from the expected one: in a column, a type, or a row.

        Each copy of a row counts, nulls are equal to nulls, and columns are matched by name.
        """

    def has_stranger(self, name: str, expected: Shape) -> bool:
        """Whether a table with the expected columns has an unexpected row.

        False if the columns differ.
        """

    def digest(self, shape: Shape) -> str | None:
        """A hash of a table's compared rows. It does not depend on the session's time zone."""

    def fixture(self, name: str, like: str, rows: Any) -> None:
        """Make a table with another one's columns from rows by column name.

        What they leave out is null.
        """

    def close(self) -> None:
        """End the session."""
