"""docs/report.schema.json: what every report is validated against, wherever a test meets one."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FILE = Path(__file__).resolve().parents[1] / "docs" / "report.schema.json"


@cache
def schema() -> dict[str, Any]:
    """The schema, itself valid."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    return found


def validated(report: dict[str, Any]) -> dict[str, Any]:
    """A report, which must be what the schema says."""
    problems = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema()).iter_errors(report)]
    assert not problems, "\n".join(problems)
    return report
