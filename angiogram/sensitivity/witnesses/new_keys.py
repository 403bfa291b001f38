"""Turns random rows into rows that may be added to the dye: with new keys, via seed files."""

from collections.abc import Sequence
from itertools import count

from angiogram.dbt.manifest.lookup import nodes_of
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.nearby import kind_of, made_up_id
from angiogram.sensitivity.witnesses.crowd_rows import parents_of
from angiogram.warehouse.engines.scratch import TextRow

_COUNTED = ("integer", "number", "text", "json")
"""Kinds of types whose made-up ids are numbers that count up.

They share one counter, so that equal ids stay equal.
"""


def with_new_keys(
    project: Compiled, items: Sequence[tuple[str, TextRow]], taken: Sequence[tuple[str, TextRow]] = ()
) -> list[tuple[str, TextRow]]:
    """Give the rows keys that neither the dye nor `taken` has. Equal keys stay equal.

    This holds across seeds. A column that holds another seed's ids follows the new ids. If that row is not among the
    items, the column gets one of the dye's ids. A key stays as it is if none can be made up for its type.

    Args:
        project: the project whose input seeds are the dye.
        items: rows with the names of their seeds.
        taken: rows that will be added as well.
    """
    keys = {name: key_columns(project, name) for name in project.inputs}
    known = {
        (name, column): {row[column] for row in [*table.batches[-1], *(row for seed, row in taken if seed == name)]}
        for name, table in project.dye.items()
        for column in keys[name]
    }
    values = [value for some in known.values() for value in some if value is not None]
    numbers = [int(value) for value in values if value.isdecimal()]
    positions = {True: count(max(numbers, default=0)), False: count(len(values))}
    given: dict[tuple[bool, str], int] = {}
    new: dict[tuple[str, int, str], str] = {}
    for name, row in items:
        for column in keys[name]:
            value, type_name = row[column], project.dye[name].columns[column].type_name
            if value is None:
                continue
            counted = kind_of(type_name) in _COUNTED
            if (counted, value) not in given:
                given[counted, value] = next(positions[counted])
            made = made_up_id(given[counted, value], type_name)
            if made is not None and made not in known[name, column]:
                new[name, column, value] = made

    partners = {
        name: [
            (column, parent.name, [own[parent.id_column] for own in parent.batches[-1]], parent.id_column)
            for column, parent in parents_of(table, project).items()
            if column not in keys[name]
        ]
        for name, table in project.dye.items()
    }

    def renamed(name: str, row: TextRow) -> TextRow:
        cells = list(row)
        for column in keys[name]:
            cells[column] = new.get((name, column, row[column] or ""), row[column])
        for column, parent, ids, id_column in partners[name]:
            if (value := row[column]) is None:
                continue
            if (parent, id_column, value) in new:
                cells[column] = new[parent, id_column, value]
            elif value not in ids:
                cells[column] = ids[sum(map(ord, value)) % len(ids)]
        return tuple(cells)

    return as_seeds_read(project, [(name, renamed(name, row)) for name, row in items])


def as_seeds_read(
    project: Compiled, items: Sequence[tuple[str, TextRow]], taken: Sequence[tuple[str, TextRow]] = ()
) -> list[tuple[str, TextRow]]:
    """Return the rows as dbt would read them from their seeds' files: empty text becomes null.

    Args:
        project: the project whose input seeds are the dye.
        items: rows with the names of their seeds.
        taken: rows that will be added as well. They have no effect here.
    """
    return [
        (name, row)
        for name, file in project.inputs.items()
        for row in file.rows_read([row for seed, row in items if seed == name])
    ]


def key_columns(project: Compiled, seed: str) -> list[int]:
    """Indexes of the columns that identify a seed's rows: its id, and those tested for unique."""
    unique = {
        node.column_name
        for node in nodes_of(project.manifest, "test")
        if getattr(node, "test_metadata", None)
        and node.test_metadata.name == "unique"
        and node.attached_node == project.inputs[seed].unique_id
    }
    table = project.dye[seed]
    return [n for n, column in enumerate(table.columns) if n == table.id_column or column.name in unique]


def repeated_keys(project: Compiled, items: Sequence[tuple[str, TextRow]]) -> list[str]:
    """Keys of the dye that rows repeat, in words."""
    found: dict[str, None] = {}
    for name, row in items:
        table = project.dye[name]
        for column in key_columns(project, name):
            if row[column] is not None and row[column] in {own[column] for own in table.batches[-1]}:
                found[f"{table.columns[column].name} {row[column]} of {name}"] = None
    return list(found)
