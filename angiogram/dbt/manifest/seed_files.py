"""Reads what the file of a seed says about its table."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from angiogram.core.stage_id import SEED
from angiogram.dbt.seeds.recorded import NO_ROWS, Recorded, seed_marks


def seed_columns(seed: Any) -> list[str]:
    """Return the columns of a seed's file, as dbt names them in its table.

    Empty if the file cannot be read: dbt reports that when it loads the seed.
    """
    header = next(_lines(seed), [])
    return [name.lower() for name in header] if seed.config.quote_columns is False else header


def waiting_seeds(manifest: Any, recorded: Recorded) -> set[str]:
    """Return the expected seeds that wait for their first rows: listed so, and without a row.

    Args:
        manifest: of the parsed project.
        recorded: the project's list.
    """
    listed = [node for node in manifest.nodes.values() if node.resource_type == SEED and node.name in recorded.waiting]
    return {seed.name for seed in listed if not any(row for number, row in enumerate(_lines(seed)) if number)}


def recorded_rows(seed: Any, recorded: Recorded) -> int | None:
    """Return how many rows of an expected seed are recorded and not yet reviewed.

    None: it is not recorded. A seed that was recorded without rows has 0 until somebody confirms that it is to have
    none.
    """
    if seed.name not in recorded.seeds:
        return None
    try:
        text = _file(seed).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None  # dbt reports that when it loads the seed
    left = recorded.left(seed.name, seed_marks(text, seed.config.delimiter or ","))
    return sum(mark != NO_ROWS for mark in left) if left else None


def _lines(seed: Any) -> Iterator[list[str]]:
    try:
        with _file(seed).open(newline="", encoding="utf-8-sig") as lines:
            yield from csv.reader(lines, delimiter=seed.config.delimiter or ",")
    except (OSError, UnicodeDecodeError, csv.Error):
        return


def _file(seed: Any) -> Path:
    return Path(seed.root_path or "") / str(seed.original_file_path)
