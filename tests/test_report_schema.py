"""docs/report.schema.json knows every word that a report may hold, and nothing that none does."""

from typing import Any

import pytest

from angiogram.core import stage_id
from angiogram.core.diagnose import StageHealth
from angiogram.core.findings import FindingKind
from angiogram.judge import verdict
from tests.angiogram.recorded import changed, report
from tests.report_schema import schema, validated

HEALTHY = report("run-1", [])
BLOCKED = report("run-2", ["fct_rides"], {"fct_rides": [changed({"ride_id": "a"}, "fare", "1", "2", "jeep-good")]})
COULD_NOT_RUN = {"schema_version": 2, "run_id": None, "verdict": "could_not_run", "error": "no", "blockage": []} | {
    "findings": [],
    "notices": [],
}


def test_it_knows_the_words_that_reports_use() -> None:
    definitions = schema()["$defs"]
    assert set(definitions["finding"]["properties"]["kind"]["enum"]) == set(FindingKind)
    assert set(StageHealth) <= set(definitions["stage"]["properties"]["verdict"]["enum"])
    kinds = {getattr(stage_id, name) for name in dir(stage_id) if name.isupper() and name != "UNNAMED_STREAM"}
    assert {kind for kind in kinds if isinstance(kind, str)} <= set(definitions["stage_kind"]["enum"])
    assert schema()["properties"]["schema_version"]["const"] == verdict.SCHEMA_VERSION


@pytest.mark.parametrize(
    ("sound", "change"),
    [
        pytest.param(HEALTHY, {"verdict": "well"}, id="a verdict that is none"),
        pytest.param(HEALTHY, {"schema_version": 1}, id="another version"),
        pytest.param(HEALTHY, {"findings": BLOCKED["findings"]}, id="healthy with a finding"),
        pytest.param(HEALTHY, {"warnings": []}, id="a word of an earlier version"),
        pytest.param(BLOCKED, {"blockage": []}, id="blocked nowhere"),
        pytest.param(BLOCKED, {"findings": []}, id="blocked for no reason"),
        pytest.param(BLOCKED, {"blockage": ["fct_rides"]}, id="a stage without its kind"),
        pytest.param(COULD_NOT_RUN, {"blockage": BLOCKED["blockage"]}, id="could not run and blocked"),
    ],
)
def test_a_report_that_breaks_its_promise_is_refused(sound: dict[str, Any], change: dict[str, Any]) -> None:
    validated(sound)
    with pytest.raises(AssertionError):
        validated(sound | change)


def test_a_verdict_that_could_not_be_had_says_why() -> None:
    validated(COULD_NOT_RUN)
    with pytest.raises(AssertionError, match="error"):
        validated({name: part for name, part in COULD_NOT_RUN.items() if name != "error"})
