"""Tables that models read and no model makes, batch by batch.

These are the seeds, and the messages as the loader stores them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from angiogram.dbt.manifest.nodes import BATCH
from angiogram.warehouse.engines.scratch import TextRow
from angiogram.warehouse.relations import numbers_batches


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type, as the engine writes it."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to load.

    Attributes:
        name: its name in the project.
        columns: its columns with their types.
        batches: all its rows after each batch, each value as text or null.
    """

    name: str
    columns: tuple[Column, ...]
    batches: tuple[tuple[TextRow, ...], ...]

    def after(self, batch: int) -> tuple[TextRow, ...]:
        """The rows that the table holds after a batch. Batches are counted from 1.

        A table that no batch changes always holds the same rows.
        """
        return self.batches[min(batch, len(self.batches)) - 1]

    @property
    def typed(self) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns."""
        return tuple((column.name, column.type_name) for column in self.columns)

    @property
    def batch_column(self) -> int | None:
        """Index of the column with a row's batch. None if all rows arrive at once."""
        named = ((number, column) for number, column in enumerate(self.columns) if column.name == BATCH)
        return next((number for number, column in named if numbers_batches(column.type_name)), None)

    @property
    def id_column(self) -> int:
        """Index of the column with a row's id: the first one other than the batch."""
        return 1 if self.batch_column == 0 and len(self.columns) > 1 else 0

    def batch_of(self, row: TextRow) -> int:
        """The batch in which a row of the table arrives."""
        return 1 if self.batch_column is None else int(row[self.batch_column] or 1)

    def with_rows(self, *batches: Sequence[TextRow]) -> "Table":
        """Return the same table with other rows."""
        return Table(self.name, self.columns, tuple(tuple(rows) for rows in batches))


def in_batches(name: str, columns: tuple[Column, ...], rows: Sequence[TextRow], at_least: int = 1) -> Table:
    """Return a table whose rows arrive in the batch that their column `batch` names.

    Args:
        name, columns, rows: name, columns and rows of the table.
        at_least: the least number of batches.
    """
    table = Table(name, columns, (tuple(rows),))
    last = max((table.batch_of(row) for row in rows), default=1)
    return table.with_rows(
        *([row for row in rows if table.batch_of(row) <= number] for number in range(1, max(last, at_least) + 1))
    )
