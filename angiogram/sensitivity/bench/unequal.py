"""Says where a table differs from the expected one: in a type, a row or a cell."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import partial

from angiogram.dbt.manifest.expectation import Expectation
from angiogram.warehouse.engines.scratch import Scratch, Shape, TextRow

_MOST_ROWS = 100_000


def difference(session: Scratch, name: str, expected: Shape, key: Sequence[str]) -> str:
    """The first difference, as a sentence.

    Args:
        session: the session that holds both tables.
        name: the table.
        expected: the table that it differs from.
        key: the columns that identify a row. Empty: all do.
    """
    made = dict(expected.chosen(tuple(one for one in session.columns(name) if one[0] not in expected.excluded)))
    wanted = dict(expected.columns)
    for column in sorted(wanted.keys() | made.keys()):
        ours, theirs = made.get(column), wanted.get(column)
        if ours != theirs and (expected.how.types or ours is None or theirs is None):
            return _of_a_column(column, ours, theirs)
    columns = list(wanted)
    rows = [
        Counter(
            tuple(map(partial(_compared, expected.how), columns, row))
            for row in session.rows(_query(session, table, columns, where), _MOST_ROWS)
        )
        for table, where in ((name, expected.where), (expected.name, expected.own_where))
    ]
    surplus, missing = (
        sorted((one - other).elements(), key=repr) for one, other in ((rows[0], rows[1]), (rows[1], rows[0]))
    )
    return _of_rows(columns, [column for column in key if column in wanted] or columns, surplus, missing)


def _compared(how: Expectation, column: str, text: str | None) -> str | None:
    """A cell as it is compared: rounded, or a number like any other of its value."""
    try:
        if text is not None and column in how.precision:
            return str(round(Decimal(text), how.precision[column]))
        if text is not None and not how.types:
            return str(Decimal(text).normalize())
    except InvalidOperation:  # it is no number
        pass
    return text


def _of_a_column(column: str, made: str | None, wanted: str | None) -> str:
    if made is None:
        return f"Column {column} is missing; {wanted} is expected."
    if wanted is None:
        return f"Column {column} is not expected; it is {made}."
    return f"Column {column} is {made}; {wanted} is expected."


def _of_rows(columns: Sequence[str], key: Sequence[str], surplus: Sequence[TextRow], missing: Sequence[TextRow]) -> str:
    places = [columns.index(column) for column in key]
    made = {tuple(row[place] for place in places): row for row in surplus}
    for row in missing:
        if other := made.get(tuple(row[place] for place in places)):
            place = next(number for number, cell in enumerate(row) if cell != other[number])
            return (
                f"In the row {_words(key, row, places)}, {columns[place]} is {_cell(other[place])}; "
                f"{_cell(row[place])} is expected."
            )
    if missing:
        return f"The row {_words(key, missing[0], places)} is missing."
    return f"The row {_words(key, surplus[0], places)} is not expected." if surplus else ""


def _words(key: Sequence[str], row: TextRow, places: Sequence[int]) -> str:
    return ", ".join(f"{column} {_cell(row[place])}" for column, place in zip(key, places, strict=True))


def _cell(text: str | None) -> str:
    return "null" if text is None else repr(text)


def _query(session: Scratch, name: str, columns: Sequence[str], where: str | None) -> str:
    """A query of a table's compared rows as texts, since not each type can be compared."""
    texts = ", ".join(f"cast({_quoted(column)} as text) as {_quoted(column)}" for column in columns)
    relation = f"{session.temporary_schema}.{_quoted(name)}"
    return f"select {texts} from {relation} where\n{where or 'true'}\n"  # noqa: S608  # names are quoted


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
