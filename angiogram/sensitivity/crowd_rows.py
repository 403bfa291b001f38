"""Random rows for the input seeds of any dbt project, made from its own dye: always the same ones for the same seed."""

from collections.abc import Callable, Sequence
from random import Random

from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.nearby import made_up_id, shifted
from angiogram.sensitivity.tables import Row, Table


def crowded_rows(
    project: Compiled, number: int, seed: int
) -> tuple[list[tuple[str, Row]], Callable[[Sequence[tuple[str, Row]]], list[Table]]]:
    """Random rows for the input seeds of any project: the dye's, with values swapped among them and shifted a little.

    The first column of a seed is its id: it stays unique while the dye's own values last, so that joins find partners.

    Args:
        project: its input seeds are the pattern.
        number: rows of each input seed.
        seed: another seed gives other rows.

    Returns:
        The rows with the names of their seeds, and how tables are made of some of them.
    """
    random = Random(seed)  # noqa: S311
    items: list[tuple[str, Row]] = []
    filled = [table for table in project.dye.values() if table.batches[-1]]
    each = max(number // max(len(filled), 1), 1)
    for table in filled:
        rows = table.batches[-1]
        parents = _parents(table, project)
        open_columns = [n for n, column in enumerate(table.columns) if n and column.name != "batch"]
        for position in range(each):
            row = list(random.choice(rows))
            for column in random.sample(open_columns, min(random.choice((0, 1, 1, 2, 4)), len(open_columns))):
                value = random.choice(rows)[column]
                if random.random() < 0.4:
                    value = shifted(random, value, table.columns[column].type_name)
                row[column] = value
            for column, parent in parents.items():
                row[column] = _id(parent, random.randrange(each))
            row[0] = _id(table, position)
            items.append((table.name, tuple(row)))

    def lay(some: Sequence[tuple[str, Row]]) -> list[Table]:
        return [
            *project.seeds.values(),
            *(_batched(table, [row for name, row in some if name == table.name]) for table in project.dye.values()),
        ]

    return items, lay


def strangeness(project: Compiled) -> Callable[[tuple[str, Row]], tuple[int, int, list[tuple[str, int, str]]]]:
    """A function of a random row: how many values of it the dye has not, its batch, and which values. Ids are none.

    Two rows that a merge cannot take at once are of a later batch than the first.
    """
    own = {
        table.name: {
            number: {row[number] for row in table.batches[-1]}
            for number in range(1, len(table.columns))
            if number not in _parents(table, project)
        }
        for table in project.dye.values()
    }

    def strange(item: tuple[str, Row]) -> tuple[int, int, list[tuple[str, int, str]]]:
        name, row = item
        cells = [(name, number, row[number] or "") for number, known in own[name].items() if row[number] not in known]
        return len(cells), _batch(project.dye[name], row), cells

    return strange


def _id(table: Table, position: int) -> str | None:
    """The id of a row at a position: the dye's own while they last, then one made up, or the own ones over again."""
    rows = table.batches[-1]
    if position < len(rows):
        return rows[position][0]
    return made_up_id(position, table.columns[0].type_name) or rows[position % len(rows)][0]


def _parents(table: Table, project: Compiled) -> dict[int, Table]:
    """Columns named as an id that hold another input seed's ids, and that seed."""
    found = {}
    for number, column in enumerate(table.columns):
        values = {row[number] for row in table.batches[-1]} - {None}
        if number and values and column.name.endswith("id"):
            for other in project.dye.values():
                if other is not table and values <= {row[0] for row in other.batches[-1]}:
                    found[number] = other
    return found


def _batched(table: Table, rows: list[Row]) -> Table:
    """The rows as batches, by the seed's own column batch."""
    return table.with_rows(
        *([row for row in rows if _batch(table, row) <= number] for number in range(1, len(table.batches) + 1))
    )


def _batch(table: Table, row: Row) -> int:
    at = next((number for number, column in enumerate(table.columns) if column.name == "batch"), None)
    return 1 if at is None else int(row[at] or 1)
