"""The cells by which a model failed its test equals_expected, for a task's log.

dbt must be configured to store them.
"""

import json
from pathlib import Path
from typing import Any

from psycopg2 import sql
from rich.console import Group, RenderableType
from rich.text import Text

from angiogram.core.differences import KEPT
from angiogram.report.report import cells
from angiogram.store import runs


def failures(manifest: Path, model: str) -> RenderableType | None:
    """Return the differences, as many as a report has, and the total count.

    Args:
        manifest: dbt's manifest of target angiogram.
        model: dbt's unique ID of the model.

    Returns:
        None if dbt stored nothing: the test passed, or did not compare.
    """
    if not (relation := _kept_in(manifest, model)):
        return None
    with runs.database("failures") as database, database.cursor() as query:
        query.execute("select to_regclass(%s) is not null", (relation,))
        if query.fetchone() != (True,):
            return None
        query.execute(
            sql.SQL(
                "select difference, row_key::json, column_name, expected, actual, count(*) over () from {} limit %s"
            ).format(sql.SQL(relation)),  # dbt has quoted its names already
            (KEPT,),
        )
        found = query.fetchall()
    if not found:
        return None
    names = ("difference", "row_key", "column", "expected", "actual")
    count = found[0][-1]
    some = f"; the first {KEPT}:" if count > len(found) else ":"
    first = [{**dict(zip(names, row[:-1], strict=True)), "messages": []} for row in found]
    return Group(Text(f"Differences from the expected seed: {count}{some}"), *cells(first))


def _kept_in(manifest: Path, model: str) -> str | None:
    nodes: dict[str, dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    tests = (node for node in nodes.values() if node.get("attached_node") == model and node.get("test_metadata"))
    return next((test["relation_name"] for test in tests if test["test_metadata"]["name"] == "equals_expected"), None)
