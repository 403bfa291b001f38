"""A project that does not parse: the broken file is named, and the rest can be built. No server has to answer."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from angiogram.core.diagnose import OutputState
from angiogram.core.errors import DbtFailed
from angiogram.dbt.project import Project
from tests.angiogram.coffee_shop import copied
from tests.angiogram.edits import edit

MODELS = {"base_guests", "base_lines", "base_tickets", "tickets", "guests", "takings_by_month"}
EXPOSURE = """
exposures:
  - {name: board, type: dashboard, owner: {name: a, email: a@b.example}, depends_on: [ref('takings_by_month')]}
"""
MACRO = "{% macro cents(amount) %}{{ amount }} * 100{% endmacro %}"

Edit = Callable[[Path], object]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the second project."""
    copy = copied(tmp_path / "coffee_shop")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(copy))
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("DBT_ENV_SECRET_ANGIOGRAM_PASSWORD", "nobody asks for it")
    for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_PROJECT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return copy


def in_file(file: str, right: str, wrong: str) -> Edit:
    """An edit that puts something wrong into a file."""
    return lambda project: edit(project / file, right, wrong)


def written(file: str, text: str) -> Edit:
    """An edit that writes a file."""

    def write(project: Path) -> None:
        (project / file).parent.mkdir(exist_ok=True)
        (project / file).write_text(text)

    return write


def gone(file: str) -> Edit:
    """An edit that deletes a file."""
    return lambda project: (project / file).unlink()


def in_latin_1(file: str) -> Edit:
    """An edit that adds a row to a seed in another encoding."""
    return lambda project: (project / file).write_bytes((project / file).read_bytes() + b"9,Ren\xe9e\n")


TICKETS, GUESTS = "models/core/tickets.sql", "models/core/guests.sql"
MENU, DYE, EXPECTED = (
    *("seeds/reference/menu.csv", "seeds/input/raw_guests.csv"),
    "seeds/expected/expected__guests.csv",
)
BELOW_TICKETS = {"tickets", "guests", "takings_by_month"}

CASES = [
    pytest.param(
        [in_file(GUESTS, "ref('tickets')", "ref('tickets'")],
        {("guests", GUESTS, 9)},
        {"guests"},
        id="a model's Jinja",
    ),
    pytest.param(
        [in_file(TICKETS, "{% endif %}", ""), written("models/base/base_lines.sql", "{% if %}")],
        {("tickets", TICKETS, 36), ("base_lines", "models/base/base_lines.sql", 1)},
        {"base_lines", *BELOW_TICKETS},
        id="two models' at once",
    ),
    pytest.param(
        [in_file(GUESTS, "with guests as", "{{ config(materialized=3) }}\nwith guests as")],
        {("guests", GUESTS, None)},
        {"guests"},
        id="a configuration that cannot be",
    ),
    pytest.param(
        [in_file(GUESTS, "ref('tickets')", "ref('ticktes')")], {("guests", GUESTS, 9)}, {"guests"}, id="a mistyped name"
    ),
    pytest.param(
        [gone(GUESTS), lambda project: (project / GUESTS).symlink_to("moved.sql")],
        {("guests", GUESTS, None)},
        {"guests"},
        id="a link to a file that was moved",
    ),
    pytest.param(
        [gone("seeds/reference/menu.csv")], {("tickets", TICKETS, 36)}, BELOW_TICKETS, id="a reference seed is gone"
    ),
    pytest.param(
        [in_latin_1(MENU), in_latin_1(DYE)],
        {("seed:menu", MENU, None), ("seed:raw_guests", DYE, None)},
        {"base_guests", *BELOW_TICKETS},
        id="a reference seed and an input seed in another encoding",
    ),
    pytest.param(
        [in_latin_1(EXPECTED)], {("expected:guests", EXPECTED, None)}, set(), id="an expected seed in another encoding"
    ),
    pytest.param(
        [gone(TICKETS)],
        {("tickets", "seeds/expected/expected__tickets.csv", None)},
        BELOW_TICKETS,
        id="a model that others read is gone",
    ),
    pytest.param(
        [gone("models/reports/takings_by_month.sql"), written("models/exposures.yml", EXPOSURE)],
        {("takings_by_month", "seeds/expected/expected__takings_by_month.csv", None)},
        {"takings_by_month"},
        id="a model that an exposure reads is gone",
    ),
    pytest.param(
        [in_file(TICKETS, "config(", "config(enabled=false,")],
        {("tickets", TICKETS, None)},
        BELOW_TICKETS,
        id="a model that others read is disabled",
    ),
    pytest.param(
        [
            in_file(
                "models/base/base_lines.sql", "select * from renamed", "select * from renamed -- {{ ref('tickets') }}"
            )
        ],
        {("tickets", TICKETS, None), ("base_lines", "models/base/base_lines.sql", None)},
        {"base_lines", *BELOW_TICKETS},
        id="models read each other in a circle",
    ),
    pytest.param(
        [written("models/reports/guests.sql", "select 1 as id")],
        {("guests", GUESTS, None)},
        {"guests"},
        id="two models of one name",
    ),
    pytest.param(
        [written("models/lines.yml", "models:\n  - name: base_lines\n    columns: [")],
        {("file:models/lines.yml", "models/lines.yml", 3)},
        {"base_lines", *BELOW_TICKETS},
        id="properties that are not YAML",
    ),
    pytest.param(
        [
            written("macros/cents.sql", MACRO.replace("{% endmacro %}", "")),
            in_file(GUESTS, "sum(total_cents)", "sum({{ cents('total_cents') }})"),
        ],
        {("file:macros/cents.sql", "macros/cents.sql", 1)},
        {"guests"},
        id="a macro",
    ),
    pytest.param(
        [written("tests/few.sql", "select {{ ref('guests' }}")],
        {("file:tests/few.sql", "tests/few.sql", 1)},
        set(),
        id="a test",
    ),
    pytest.param(
        [
            written("macros/noted.sql", "{% macro noted() %}select 1"),
            in_file("dbt_project.yml", "models:\n", 'on-run-end: "{{ noted() }}"\n\nmodels:\n'),
        ],
        {("file:macros/noted.sql", "macros/noted.sql", 1)},
        MODELS,
        id="a macro that a hook calls",
    ),
    pytest.param(
        [in_file("dbt_project.yml", "vars:\n", "vars: [\n")],
        {("file:dbt_project.yml", "dbt_project.yml", 15)},
        MODELS,
        id="the project's own file",
    ),
]


@pytest.mark.parametrize(("edits", "named", "unbuilt"), CASES)
def test_what_is_broken_is_named_with_its_place_and_all_that_does_not_depend_on_it_is_built(
    project: Path, edits: list[Edit], named: set[tuple[str, str, int | None]], unbuilt: set[str]
) -> None:
    for change in edits:
        change(project)
    opened = Project(project, dye_source="seeds")
    opened.parse()
    stages = opened.reading.stages
    failed = {(str(i), s.file, s.line) for i, s in stages.items() if s.state is OutputState.FAILED}
    missing = {(name, found.file, None) for name, found in opened.missing_models.items()}
    assert failed | missing | {(str(f.stage), f.file, f.line) for f in opened.reading.findings} == named
    assert {node.name for node in opened.nodes.values() if not node.is_seed} == MODELS - unbuilt
    not_built = {stage.name for stage, found in stages.items() if found.state is OutputState.NOT_BUILT}
    assert {name for name in not_built if name in MODELS} == unbuilt - {name for name, *_ in failed | missing}


def test_what_the_surroundings_lack_is_no_fault_of_a_file(project: Path) -> None:
    edit(project / GUESTS, "select * from final", "select * from final -- {{ env_var('NOT_SET_ANYWHERE') }}")
    with pytest.raises(DbtFailed, match="NOT_SET_ANYWHERE"):
        Project(project, dye_source="seeds").parse()


def test_a_copy_is_gone_with_its_project(project: Path) -> None:
    edit(project / GUESTS, "ref('tickets')", "ref('tickets'")
    opened = Project(project, dye_source="seeds")
    opened.parse()
    copy = opened.reading.directory
    assert copy.is_dir()
    del opened
    gc.collect()
    assert not copy.exists()
