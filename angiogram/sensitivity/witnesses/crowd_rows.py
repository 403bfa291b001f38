"""Makes random rows for the input seeds of any dbt project from its own dye.

The rows are always the same ones for the same seed of the random generator.
"""

from collections.abc import Callable, Sequence
from random import Random

from angiogram.judge.cause.tables import Table, in_batches
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.nearby import kind_of, made_up_id, shifted
from angiogram.warehouse.engines.scratch import TextRow


def crowded_rows(
    project: Compiled, number: int, seed: int
) -> tuple[list[tuple[str, TextRow]], Callable[[Sequence[tuple[str, TextRow]]], list[Table]]]:
    """Make random rows: the dye's rows, with some values swapped or shifted a little.

    Rows take the dye's own ids, each once, as long as there are any left, so that joins find partners.

    Args:
        project: the project whose input seeds are the pattern.
        number: number of rows of all input seeds together.
        seed: seed of the random generator.

    Returns:
        The rows with the names of their seeds, and a function that makes tables of some of them.
    """
    random = Random(seed)  # noqa: S311
    items: list[tuple[str, TextRow]] = []
    filled = [table for table in project.dye.values() if table.batches[-1]]
    each = max(number // max(len(filled), 1), 1)
    for table in filled:
        rows = table.batches[-1]
        parents = parents_of(table, project)
        open_columns = [n for n in range(len(table.columns)) if n not in (table.id_column, table.batch_column)]
        for position in range(each):
            row = list(random.choice(rows))
            for column in random.sample(open_columns, min(random.choice((0, 1, 1, 2, 4)), len(open_columns))):
                value = random.choice(rows)[column]
                if random.random() < 0.4:
                    value = shifted(random, value, table.columns[column].type_name)
                row[column] = value
            for column, parent in parents.items():
                row[column] = _id(parent, random.randrange(each))
            row[table.id_column] = _id(table, position)
            items.append((table.name, tuple(row)))

    def lay(some: Sequence[tuple[str, TextRow]]) -> list[Table]:
        return [
            *project.seeds.values(),
            *(
                in_batches(
                    table.name, table.columns, [row for name, row in some if name == table.name], len(table.batches)
                )
                for table in project.dye.values()
            ),
        ]

    return items, lay


def strangeness(project: Compiled) -> Callable[[tuple[str, TextRow]], tuple[int, int, list[tuple[str, int, str]]]]:
    """Return a sort key for random rows: the number of new values, the batch, the values.

    New values are those that the dye does not have. Ids do not count. The batch matters because two rows that a merge
    cannot take at once come in a later batch than the first.
    """
    own = {
        table.name: {
            number: {row[number] for row in table.batches[-1]}
            for number in range(len(table.columns))
            if number not in (table.id_column, *parents_of(table, project))
        }
        for table in project.dye.values()
    }

    def strange(item: tuple[str, TextRow]) -> tuple[int, int, list[tuple[str, int, str]]]:
        name, row = item
        cells = [(name, number, row[number] or "") for number, known in own[name].items() if row[number] not in known]
        return len(cells), project.dye[name].batch_of(row), cells

    return strange


def _id(table: Table, position: int) -> str | None:
    """Id of the row at a position: one of the dye's, then made-up ones.

    If none can be made up, the dye's ids are used again.
    """
    rows, at = table.batches[-1], table.id_column
    if position < len(rows):
        return rows[position][at]
    return made_up_id(position, table.columns[at].type_name) or rows[position % len(rows)][at]


def parents_of(table: Table, project: Compiled) -> dict[int, Table]:
    """Columns that hold another input seed's ids, each with that seed.

    Such a column is named like an id, or has a type in which equal values are not a coincidence. If several seeds fit,
    the one whose name is part of the column's name is taken, else the one with the fewest ids: small numbers are ids in
    many seeds.
    """
    found = {}
    for number, column in enumerate(table.columns):
        values = {row[number] for row in table.batches[-1]} - {None}
        is_id = column.name.lower().endswith("id") or kind_of(column.type_name) in ("text", "uuid")
        if number in (table.id_column, table.batch_column) or not values or not is_id:
            continue
        ids = {other.name: {row[other.id_column] for row in other.batches[-1]} for other in project.dye.values()}
        holding = [name for name, some in ids.items() if name != table.name and values <= some]
        if holding:
            meant = column.name.lower().removesuffix("id").strip("_ ")
            parent = min(holding, key=lambda name: (meant not in name.lower(), len(ids[name])))
            found[number] = project.dye[parent]
    return found
