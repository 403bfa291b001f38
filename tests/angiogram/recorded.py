"""Runs as they stand in angiogram.runs, for tests of what is made of them afterwards."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.core.differences import of_stage
from angiogram.core.stage_id import StageId, as_json, from_json

STARTED = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)


def stage(name: str, reads: list[str], verdict: str = "healthy", **more: Any) -> dict[str, Any]:
    """A stage of a report."""
    return {
        **StageId.parse(name).as_json(),
        "reads": as_json(map(StageId.parse, reads)),
        "verdict": verdict,
        "rows_in": 3,
        "rows_out": 3,
        "differences": 0,
        "seconds": 0.5,
        "reason": None,
    } | more


def changed(key: dict[str, Any], column: str, expected: str, actual: str, *messages: str) -> dict[str, Any]:
    """A cell that changed, its sides as JSON texts."""
    return {
        **{"difference": "changed", "row_key": key, "column": column, "expected": expected, "actual": actual},
        "messages": list(messages),
    }


def finding(stage: str, text: str, kind: str = "output", file: str | None = None, line: int | None = None) -> Any:
    """A finding of a report."""
    return {"kind": kind, "stage": StageId.parse(stage).as_json(), "text": text, "file": file, "line": line}


def report(run_id: str, blockage: list[str], differences: dict[str, list[dict[str, Any]]] | None = None) -> Any:
    """A report with four stages, blocked where told, all of whose differences are shown."""
    found = differences or {}
    reads = {
        "api:rides": [],
        "topic:rides": ["api:rides"],
        "loader:rides": ["topic:rides"],
        "fct_rides": ["loader:rides"],
    }
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
        "schema_version": 2,
        "verdict": "blocked" if blockage else "healthy",
        "blockage": as_json(map(StageId.parse, blockage)),
        "findings": [finding(name, "3 differences from what is expected") for name in blockage],
        "notices": [],
        "checkpoints": [point],
        "stages": stages,
        "differences": [
            {"stage": StageId.parse(name).as_json(), "count": len(cells), "first": cells}
            for name, cells in found.items()
        ],
        "seconds": 12.3,
        "seconds_by_step": {"inject": 3.0, "build_batch_1": 5.0},
        "versions": {"code_commit": "c0ffee", "dbt-core": "1.11.16"},
    }


def states(report: Mapping[str, Any]) -> dict[str, str]:
    """The verdict on each stage, by its name."""
    return {stage["name"]: stage["verdict"] for stage in report["stages"]}


def blocked(report: Mapping[str, Any]) -> list[str]:
    """The blocked stages of a report, as text."""
    return list(map(str, from_json(report["blockage"])))


def stages_of(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The stages of a report by their text."""
    return {str(StageId.of(stage)): stage for stage in report["stages"]}


def differences_at(report: Mapping[str, Any], stage: str) -> Mapping[str, Any]:
    """The differences of a stage of a report."""
    return of_stage(report, StageId.parse(stage))


def record(database: connection, found: dict[str, Any], age: timedelta = timedelta()) -> str:
    """Put a run that ended some time ago into angiogram.runs; its id."""
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.runs (run_id, started_at, finished_at, verdict, blockage, report)"
            " values (%s, clock_timestamp() - %s - interval '12 s', clock_timestamp() - %s, %s, %s, %s)",
            (found["run_id"], age, age, found["verdict"], Json(found["blockage"]), Json(found)),
        )
    return str(found["run_id"])
