"""A test of dbt that fails or cannot be run is a finding, unless the verdict names what it stumbled over anyway."""

from pathlib import Path

from angiogram.core.diagnose import StageHealth
from angiogram.core.stage_id import EXPECTED, MODEL, StageId
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.judge.build.build_findings import build_findings
from angiogram.judge.from_seeds import tables_of
from tests.angiogram.edits import edit

EQUALITY = """
{% test equality(model, compare_model, columns) %}
    select {{ columns | join(', ') }} from {{ compare_model }} except select {{ columns | join(', ') }} from {{ model }}
{% endtest %}
"""
REGULARS = "select guest_id from {{ ref('base_guests') }} where guest_id = 1"
TESTS = """
models:
  - name: regulars
    columns: [{name: guest_id, data_tests: [{accepted_values: {name: of_values, arguments: {values: [-1]}}}]}]
    data_tests:
      - equality: {name: of_models, arguments: {compare_model: ref('base_guests'), columns: [guest_id]}}
      - equality: {name: of_seed, arguments: {compare_model: ref('expected__base_guests'), columns: [guest_id]}}
"""
ON_BASE = """    data_tests:
      - equality: {name: of_nothing, arguments: {compare_model: ref('expected__base_guests'), columns: [nothing]}}
"""


def test_a_test_is_passed_over_only_where_the_verdict_names_what_it_found(coffee_shop: Path) -> None:
    """Nobody else tells of two models that differ, of a model that is not watched, or of an error of the test's own."""
    (coffee_shop / "tests" / "generic").mkdir(parents=True, exist_ok=True)
    (coffee_shop / "tests" / "generic" / "equality.sql").write_text(EQUALITY)
    (coffee_shop / "models" / "reports" / "regulars.sql").write_text(REGULARS)
    (coffee_shop / "models" / "reports" / "regulars.yml").write_text(TESTS)
    base = "  - name: base_guests\n    description: A guest. One row per guest.\n"
    edit(coffee_shop / "models" / "models.yml", f"{base}    data_tests:\n", base + ON_BASE)
    project, builds = Project(coffee_shop, dye_source="seeds"), Builds()
    with tables_of(project, 0, print):
        builds.add(0, project.load_seeds())
        builds.add(1, project.build_with_equality())  # both batches at once, which the model tickets cannot take
    judged = {node.stage: StageHealth.HEALTHY for node in project.nodes.values()} | {
        StageId(MODEL, "regulars"): StageHealth.NOT_WATCHED,
        StageId(MODEL, "tickets"): StageHealth.BLOCKED,
        StageId(MODEL, "guests"): StageHealth.AFFECTED,
        StageId(MODEL, "takings_by_month"): StageHealth.AFFECTED,
    }

    def found(*blocked: StageId) -> set[str]:
        health = judged | dict.fromkeys(blocked, StageHealth.BLOCKED)
        return {str(finding.stage) for finding in build_findings(project, builds, health)}

    assert found() == {"test:of_values", "test:of_models", "test:of_seed", "test:of_nothing"}
    assert found(StageId(EXPECTED, "base_guests")) == {"test:of_values", "test:of_models"}
    assert found(StageId(MODEL, "base_guests")) == set()
