"""The parts of `angiogram init`: additions to YAML, keys of models, columns that are read, the schema macro."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ruamel.yaml.comments import CommentedMap

from angiogram.author.adoption.ci import Job
from angiogram.author.adoption.files import schema_macro
from angiogram.author.adoption.source_tables import columns_read
from angiogram.author.adoption.yaml_edits import edited, mapping_in, prepend
from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.manifest.equality_test import equality_tests
from angiogram.dbt.manifest.keys import row_key


def add_hook(content: CommentedMap) -> None:
    prepend(content, "on-run-start", "{{ check() }}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("name: a # mine\n", "name: a # mine\non-run-start:\n  - '{{ check() }}'\n", id="no list"),
        pytest.param(
            "on-run-start: \"{{ mine() }}\" # why\nname: 'a'\n",
            "on-run-start:                # why\n  - '{{ check() }}'\n  - \"{{ mine() }}\"\nname: 'a'\n",
            id="a single text",
        ),
        pytest.param(
            "on-run-start:\n- one  # first\n# between\n- two\n",
            "on-run-start:\n- '{{ check() }}'\n- one  # first\n# between\n- two\n",
            id="a list that is not indented",
        ),
        pytest.param(
            "on-run-start:\n    - one\nother: [1, 2]\n",
            "on-run-start:\n    - '{{ check() }}'\n    - one\nother: [1, 2]\n",
            id="a list that is indented by four",
        ),
        pytest.param("on-run-start:\n- '{{ check() }}'\n", "on-run-start:\n- '{{ check() }}'\n", id="there already"),
        pytest.param("", "on-run-start:\n  - '{{ check() }}'\n", id="an empty file"),
    ],
)
def test_additions_keep_what_people_wrote(before: str, after: str) -> None:
    assert edited(before, "dbt_project.yml", add_hook) == after


def test_nothing_added_is_nothing_changed_whatever_the_layout() -> None:
    text = 'a:   1\nb: {x: "y",   z: [1,2]}   # odd\n\n\nc:\n      - 1\n'
    assert edited(text, "a.yml", lambda content: None) == text


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", "a: 1\na: 2\n"])
def test_a_file_that_cannot_be_added_to_is_named(text: str) -> None:
    with pytest.raises(UnsupportedProject, match=r"packages\.yml"):
        edited(text, "packages.yml", lambda content: mapping_in(content, "x").update(y=1))


def model(**parts: Any) -> SimpleNamespace:
    usual = {"resource_type": "model", "constraints": [], "columns": {}, "config": {}}
    return SimpleNamespace(**{**usual, **parts})


def a_test(name: str, column: str | None = None, where: str | None = None, **arguments: Any) -> SimpleNamespace:
    metadata = SimpleNamespace(name=name, kwargs=arguments)
    config = SimpleNamespace(where=where)
    return SimpleNamespace(
        resource_type="test", test_metadata=metadata, attached_node="m", column_name=column, config=config
    )


@pytest.mark.parametrize(
    ("found", "tests", "key"),
    [
        pytest.param(model(), [], ["a", "b", "c"], id="the whole row"),
        pytest.param(model(), [a_test("unique", "B")], ["b"], id="a test of one column, in other case"),
        pytest.param(model(), [a_test("unique", "b", where="a > 1")], ["a", "b", "c"], id="a test of some rows"),
        pytest.param(model(), [a_test("unique", "gone")], ["a", "b", "c"], id="a column that is not compared"),
        pytest.param(
            model(),
            [a_test("unique_combination_of_columns", combination_of_columns=["a", "c"])],
            ["a", "c"],
            id="a test of several",
        ),
        pytest.param(model(config={"unique_key": ["a", "b"]}), [], ["a", "b"], id="an incremental model's"),
        pytest.param(
            model(constraints=[SimpleNamespace(type="primary_key", columns=["c"])]),
            [a_test("unique", "a")],
            ["c"],
            id="a primary key comes first",
        ),
    ],
)
def test_a_models_key_is_what_the_project_says(found: Any, tests: list[Any], key: list[str]) -> None:
    nodes = {"m": found, **{f"t{number}": test for number, test in enumerate(tests)}}
    assert row_key(SimpleNamespace(nodes=nodes), "m", ["a", "b", "c"]) == key


SOURCE = SimpleNamespace(relation_name='"db"."till"."orders"')
TYPES = {"id": "integer", "cents": "integer", "note": "text", "Odd Name": "text"}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("select id from db.till.orders", {"id"}),
        ("with s as (select * from db.till.orders), r as (select id, cents * 2 as x from s) select * from r", None),
        ('select o."Odd Name" from "db"."till"."orders" as o where o.cents > 1', {"Odd Name", "cents"}),
        ("select * from db.till.orders", {"id", "cents", "note", "Odd Name"}),
        ("select count(*) as n from db.till.orders where note is null", {"note"}),
        ("select a.id from db.till.others as a join db.till.orders as b on a.id = b.id", {"id"}),
        ("select from (", "unknown"),
        ("select 1 as one", "unknown"),
    ],
)
def test_the_columns_that_a_query_reads(text: str, columns: Any) -> None:
    expected = {"id", "cents"} if columns is None else None if columns == "unknown" else columns
    assert columns_read(text, SOURCE, TYPES, "postgres") == expected


def manifest_with(macro: str) -> Any:
    own = SimpleNamespace(macro_sql=macro, original_file_path="macros/names.sql")
    return SimpleNamespace(
        metadata=SimpleNamespace(project_name="shop"), macros={"macro.shop.generate_schema_name": own}
    )


def test_the_schema_macro_gets_a_branch_for_the_dye_with_its_own_argument(tmp_path: Path) -> None:
    macro = "{%macro generate_schema_name(name=none, node=none)%}{{ name }}{% endmacro %}"
    (tmp_path / "macros").mkdir()
    (tmp_path / "macros/names.sql").write_text(f"{{# ours #}}\n{macro}\n", encoding="utf-8")
    file, text = schema_macro(tmp_path, manifest_with(macro)) or (None, "")
    assert file == Path("macros/names.sql")
    assert text.startswith("{# ours #}\n{%macro generate_schema_name(name=none, node=none)%}")
    assert "target.schema ~ ('_' ~ (name | trim) if name else '')" in text
    assert text.endswith("{{ name }}{%- endif -%}\n{% endmacro %}\n")


def test_a_schema_macro_that_knows_the_dye_stays() -> None:
    macro = "{% macro generate_schema_name(a, b) %}{% if is_dye_target() %}x{% endif %}{% endmacro %}"
    assert schema_macro(Path("nowhere"), manifest_with(macro)) is None


def test_a_test_in_a_file_of_its_own_is_the_models_test() -> None:
    test = SimpleNamespace(
        resource_type="test",
        test_metadata=None,
        original_file_path="tests/orders.sql",
        depends_on=SimpleNamespace(
            macros=["macro.data_angiogram.test_equals_expected"],
            nodes=["model.shop.orders", "seed.shop.expected__orders"],
        ),
        raw_code="{{ data_angiogram.test_equals_expected(ref('orders'), ref('expected__orders'), ['order_id']) }}",
        config=SimpleNamespace(
            meta={}, where=None, severity="error", limit=None, error_if="!= 0", fail_calc="count(*)"
        ),
    )
    found = equality_tests(SimpleNamespace(nodes={"t": test}))
    assert {name: one.arguments["key"] for name, one in found.items()} == {"model.shop.orders": ["order_id"]}


POSTGRES = {
    "type": "postgres",
    "host": "{{ env_var('DB_HOST') }}",
    "port": "{{ env_var('DB_PORT') | as_number }}",
    "user": "till",
    "password": "{{ env_var('DBT_ENV_SECRET_TILL') }}",
    "dbname": "{{ env_var('DB_NAME') }}",
    "sslmode": "{{ env_var('DB_SSL', 'prefer') }}",
    "role": "{{ env_var('DB_ROLE') }}",
}


def test_the_job_starts_a_server_of_its_own_and_the_profile_leads_there(tmp_path: Path) -> None:
    job = Job.of(tmp_path, tmp_path / "dbt", tmp_path / "dbt/profiles.yml", "postgres", POSTGRES)
    read = yaml.safe_load(job.github())["jobs"]["angiogram"]
    assert read["env"] == {
        "DBT_ENV_SECRET_TILL": "angiogram",
        "DB_HOST": "localhost",
        "DB_NAME": "angiogram",
        "DB_PORT": "5432",
        "DB_ROLE": "ci",
    }
    server = read["services"]["postgres"]["env"]
    assert (server["POSTGRES_USER"], server["POSTGRES_DB"]) == ("till", "angiogram")
    assert read["defaults"]["run"]["working-directory"] == "dbt"


def test_on_gitlab_the_server_has_the_name_of_its_service(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").touch()
    job = Job.of(tmp_path, tmp_path, tmp_path / "profiles.yml", "postgres", POSTGRES)
    read = yaml.safe_load(job.gitlab())["angiogram"]
    assert read["variables"]["DB_HOST"] == read["services"][0]["alias"]
    assert read["artifacts"]["reports"]["junit"] == "angiogram.xml"


def test_what_only_a_person_can_see_to_is_a_note_in_the_job(tmp_path: Path) -> None:
    fixed = {"type": "postgres", "host": "db.shop.example", "user": "till", "password": "p", "dbname": "shop"}
    text = Job.of(tmp_path / "a", tmp_path / "a", tmp_path / "b/profiles.yml", "postgres", fixed).github()
    assert "# profiles.yml is outside of the repository" in text
    assert "# profiles.yml has a fixed host" in text
    assert "password" not in text
