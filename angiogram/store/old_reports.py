"""Converts reports of earlier versions to today's form, schema_version 2.

Before version 2 a stage was known by its name alone, differences were a mapping by stage that named messages after the
stream, and notices were called warnings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from angiogram.core.findings import Finding, FindingKind
from angiogram.core.stage_id import (
    API,
    CHECKPOINT,
    EXPECTED,
    LOADER_STAGE,
    MODEL,
    SEED,
    TOPIC,
    StageId,
    as_json,
    stream,
)

_EXPECTED_PREFIX = "expected__"


def as_current(report: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a report to today's form.

    A current report, or one of a run without a verdict, is returned unchanged.
    """
    if "schema_version" in report or "verdict" not in report:
        return dict(report)
    stages = report.get("stages", [])
    known = {stage["stage"]: _stage(stage["stage"], stage["kind"]) for stage in stages}

    def of(name: str) -> StageId:
        return known.get(name) or _unknown(name)

    return {name: part for name, part in report.items() if name != "warnings"} | {
        "schema_version": 2,
        "blockage": as_json(map(of, report.get("blockage") or [])),
        "findings": [_finding(of(name), stages) for name in report.get("blockage") or []],
        "notices": [{"code": "warning", "text": text} for text in report.get("warnings", [])],
        "stages": [
            {name: part for name, part in stage.items() if name != "stage"}
            | of(stage["stage"]).as_json()
            | {"reads": as_json(map(of, stage.get("reads", [])))}
            for stage in stages
        ],
        "differences": [
            {"stage": of(name).as_json(), **found, "first": list(map(_difference, found["first"]))}
            for name, found in (report.get("differences") or {}).items()
        ],
    }


def _finding(blocked: StageId, stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return why a stage was blocked, as far as the report says."""
    found = next((stage for stage in stages if stage["stage"].removeprefix(_EXPECTED_PREFIX) == blocked.name), {})
    text = found.get("reason") or f"{found.get('differences') or 'some'} differences from what is expected"
    kind = FindingKind.CHECKPOINT if blocked.kind == CHECKPOINT else FindingKind.OUTPUT
    return Finding(kind, blocked, str(text)).as_json()


def _stage(name: str, kind: str) -> StageId:
    match kind:
        case "way":
            return StageId(name, stream())
        case "reference":
            return StageId(SEED, name)
        case "expected":
            return StageId(EXPECTED, name.removeprefix(_EXPECTED_PREFIX))
        case _:
            return StageId(MODEL, name)


def _unknown(name: str) -> StageId:
    """Return the ID of a stage that the report does not list, its kind inferred from its name."""
    if name in (API, TOPIC, LOADER_STAGE):
        return StageId(name, stream())
    if " " in name:
        return StageId(CHECKPOINT, name)
    if name.startswith(_EXPECTED_PREFIX):
        return StageId(EXPECTED, name.removeprefix(_EXPECTED_PREFIX))
    return StageId(MODEL, name)


def _difference(found: Mapping[str, Any]) -> dict[str, Any]:
    return {("messages" if name == stream() else name): part for name, part in found.items()}
