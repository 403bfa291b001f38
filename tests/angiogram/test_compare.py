"""A relation compared with its expected seed, where it cannot be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.core.differences import Comparison, Difference, Differences
from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.package.installing import carried
from angiogram.dye.checkpoints import count_accounted
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from tests.angiogram.conftest import PROJECT

VIEW = Node("view", "model.shop.view", False, '"shop"."view"', [], '"shop"."expected__view"', ["id"])
BELOW = Node("below", "model.shop.below", False, '"shop"."below"', [VIEW.stage], None, ["id"])


@pytest.fixture
def database(fresh_database: str, connect_as: Callable[..., connection]) -> connection:
    """A view whose column price fails when it is read, and a table made of its other columns."""
    database = connect_as("postgres", fresh_database)
    with database.cursor() as query:
        query.execute(
            "create schema shop;"
            " create view shop.view as select id, id as message_id, 100 / (id - 2) as price"
            " from generate_series(1, 3) as series (id);"
            " create table shop.expected__view (id int, message_id int, price int);"
            " create table shop.below as select id, now() as loaded_at from shop.view;"
            " create table shop.expected__below (id int)"
        )
    return database


@pytest.mark.parametrize(
    "expected", [pytest.param(VIEW.expected_relation, id="with expected data"), pytest.param(None, id="without")]
)
def test_a_view_that_fails_only_when_it_is_read_is_a_model_that_failed(
    database: connection, expected: str | None
) -> None:
    found = compare(database, replace(VIEW, expected_relation=expected), PROJECT)
    assert found == Comparison(None, Differences(), "division by zero")


def test_no_row_is_traced_or_counted_through_a_view_that_fails(database: connection) -> None:
    cell = Difference("changed", {"id": 1, "price": 2}, "name", '"a"', '"b"')
    tracer = Tracer(database, {"view": VIEW, "below": BELOW}, {}, failed={VIEW.stage})
    assert tracer.told(BELOW.stage, Differences.of([cell]))["first"][0]["messages"] == []
    counts = count_accounted(database, dict.fromkeys(("accepted", "rejected", "checked"), VIEW.relation))
    assert set(counts.values()) == {None}


@pytest.mark.parametrize("key", ["shop_id", "loaded_at"])
def test_a_key_that_names_no_column_to_compare_is_an_obstacle(database: connection, key: str) -> None:
    """Without one every row would have the same key."""
    model = replace(BELOW, expected_relation='"shop"."expected__below"', key=["id", key], excluded=["loaded_at"])
    found = compare(database, model, PROJECT)
    assert (found.rows, found.obstacle) == (3, f"its test equals_expected names no column that is compared: {key}")


def test_only_the_rows_of_the_where_are_compared(database: connection) -> None:
    """A percent sign in it is none of psycopg2's, and a comment ends where its line does."""
    with database.cursor() as query:
        query.execute("insert into shop.expected__below values (2)")
    below = replace(BELOW, expected_relation='"shop"."expected__below"', excluded=["loaded_at"])
    assert compare(database, below, PROJECT).differences.count == 2
    below = replace(below, where="id % 2 = 0 -- the even ones")
    assert compare(database, below, PROJECT) == Comparison(3, Differences())


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param(
            "id int, price int",
            Differences.of([Difference("missing", None, "price", "integer", None)]),
            id="it lost it",
        ),
        pytest.param("id int", Differences(), id="neither side has it"),
    ],
)
def test_a_model_without_the_column_of_its_where_is_wrong_only_if_it_lost_it(
    database: connection, expected: str, found: Differences
) -> None:
    with database.cursor() as query:
        query.execute(f"create table shop.expected__priced ({expected})")
    model = replace(BELOW, expected_relation='"shop"."expected__priced"', excluded=["loaded_at"], where="price > 0")
    comparison = compare(database, model, PROJECT)
    assert comparison.differences == found
    assert (comparison.obstacle is None) is bool(found.count)


def test_a_project_whose_copied_comparison_knows_no_where_is_told_to_install_the_package(
    database: connection, tmp_path: Path
) -> None:
    """Before there was a package, projects copied the macro, perhaps an early one."""
    (tmp_path / "macros").mkdir()
    macro = (carried() / "macros" / "postgres__differences.sql").read_text(encoding="utf-8")
    macro = macro.replace("postgres__differences", "differences").replace("data_angiogram.", "")
    head = "where=none, only=[], precision={}, types=true, column_order=false\n) -%}"
    assert head in macro
    names = "where, only, precision, types, column_order = none, [], {}, true, false"
    macro = macro.replace(f", {head}", f") -%}}{{%- set {names} -%}}")
    (tmp_path / "macros" / "differences.sql").write_text(macro, encoding="utf-8")
    below = replace(BELOW, expected_relation='"shop"."expected__below"', excluded=["loaded_at"])
    assert compare(database, below, tmp_path).obstacle is None
    with pytest.raises(
        UnsupportedProject, match=r"macros/differences\.sql is an earlier version.* Delete it .* install the package"
    ):
        compare(database, replace(below, where="id > 1"), tmp_path)


def test_a_column_named_with_a_percent_sign_is_a_key_as_any_other(database: connection) -> None:
    """To psycopg2 it would stand for a value. No name of a column may harm the comparison or the trace."""
    with database.cursor() as query:
        query.execute(
            "create table shop.sales as select 7 as \"margin %s\", 1 as price, '1' as message_id;"
            " create table shop.expected__sales as select 7 as \"margin %s\", 2 as price, '1' as message_id"
        )
    sales = Node(
        "sales", "model.shop.sales", False, '"shop"."sales"', [], '"shop"."expected__sales"', ["margin %s"], ["100%"]
    )
    found = compare(database, sales, PROJECT)
    assert found.differences == Differences.of([Difference("changed", {"margin %s": 7}, "price", "2", "1")])
    tracer = Tracer(database, {"sales": sales}, {"1": "the-ride"})
    assert tracer.told(sales.stage, found.differences)["first"][0]["messages"] == ["the-ride"]
