"""Which columns identify a row of a model, by what the project says of it."""

from collections.abc import Sequence
from typing import Any

_PRIMARY, _UNIQUE = "primary_key", "unique"


def row_key(manifest: Any, unique_id: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that tell rows of a model apart: its declared key, or else all.

    Args:
        manifest: of the parsed project.
        unique_id: dbt's ID of the model.
        columns: the columns that are compared. A key of others is not used.
    """
    return declared_key(manifest, unique_id, columns) or list(columns)


def declared_key(manifest: Any, unique_id: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that identify a row of a model, as the project says.

    They are those of its primary key, of a test `unique` or `unique_combination_of_columns`, of a unique constraint, or
    the unique_key of an incremental model. Empty if it says nothing.

    Args:
        manifest: of the parsed project.
        unique_id: dbt's ID of the model.
        columns: the columns that are compared. A key of others is not used.
    """
    model = manifest.nodes[unique_id]
    known = {column.lower(): column for column in columns}
    incremental = model.config.get("unique_key") or []
    of_config = [[incremental] if isinstance(incremental, str) else list(incremental)]
    said = [*_constraints(model, _PRIMARY), *_tests(manifest, unique_id), *_constraints(model, _UNIQUE), *of_config]
    for key in said:
        if key and all(column.lower() in known for column in key):
            return [known[column.lower()] for column in key]
    return []


def _constraints(model: Any, kind: str) -> list[list[str]]:
    of_model = [list(found.columns) for found in getattr(model, "constraints", ()) if found.type == kind]
    of_columns = [
        [column.name] for column in model.columns.values() for found in column.constraints if found.type == kind
    ]
    return of_model + of_columns


def _tests(manifest: Any, unique_id: str) -> list[list[str]]:
    """The columns of tests for unique rows: single columns first."""
    single, several = [], []
    for test in manifest.nodes.values():
        metadata = getattr(test, "test_metadata", None)
        if metadata is None or test.attached_node != unique_id or test.config.where:
            continue
        if metadata.name == "unique" and test.column_name:
            single.append([test.column_name.strip('"`')])
        elif metadata.name == "unique_combination_of_columns":
            several.append([str(column).strip('"`') for column in metadata.kwargs.get("combination_of_columns") or ()])
    return sorted(single) + sorted(several)
