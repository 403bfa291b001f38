"""Runs as they stand in angiogram.runs, for tests of what is made of them afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import Json

STARTED = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)


def stage(name: str, reads: list[str], verdict: str = "healthy", **more: Any) -> dict[str, Any]:
    """A stage of a report."""
    kind = "way" if name in ("api", "topic", "loader") else "model"
    return {
        "stage": name,
        "kind": kind,
        "reads": reads,
        "verdict": verdict,
        "rows_in": 3,
        "rows_out": 3,
        "differences": 0,
        "seconds": 0.5,
        "reason": None,
    } | more


def changed(key: dict[str, Any], column: str, expected: str, actual: str, *rides: str) -> dict[str, Any]:
    """A cell that changed, its sides as JSON texts."""
    return {
        **{"difference": "changed", "row_key": key, "column": column, "expected": expected, "actual": actual},
        "rides": list(rides),
    }


def report(run_id: str, blockage: list[str], differences: dict[str, list[dict[str, Any]]] | None = None) -> Any:
    """A report with four stages, blocked where told, all of whose differences are shown."""
    found = differences or {}
    reads = {"api": [], "topic": ["api"], "loader": ["topic"], "fct_rides": ["loader"]}
    stages = [
        stage(
            name,
            above,
            "blocked" if name in blockage else "healthy",
            differences=len(found.get(name, [])),
        )
        for name, above in reads.items()
    ]
    point = {"name": "published = in Kafka", "expected": 3, "counts": {"in_kafka": 3}, "holds": True}
    return {
        "run_id": run_id,
        "verdict": "blocked" if blockage else "healthy",
        "blockage": blockage,
        "checkpoints": [point],
        "stages": stages,
        "differences": {name: {"count": len(cells), "first": cells} for name, cells in found.items()},
        "seconds": 12.3,
        "seconds_by_step": {"inject": 3.0, "build_batch_1": 5.0},
        "versions": {"code_commit": "c0ffee", "dbt-core": "1.11.16"},
    }


def record(database: connection, found: dict[str, Any], age: timedelta = timedelta()) -> str:
    """Put a run that ended some time ago into angiogram.runs; its id."""
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.runs (run_id, started_at, finished_at, verdict, blockage, report)"
            " values (%s, clock_timestamp() - %s - interval '12 s', clock_timestamp() - %s, %s, %s, %s)",
            (found["run_id"], age, age, found["verdict"], found["blockage"], Json(found)),
        )
    return str(found["run_id"])
