"""Which columns identify a row of a model, by what the project says of it."""

from collections.abc import Sequence
from typing import Any

from angiogram.dbt.package.rendering import macro


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

    The macro `declared_key` of the dbt package finds them, for dbt too. Empty if the project says nothing.
    """
    found: list[str] = []
    nodes = manifest.nodes
    macro("declared_key")(nodes[unique_id], unique_id, list(nodes.values()), list(columns), found)
    return found
