"""The fast verdict is the verdict of the macro differences."""

import pytest
from psycopg2.extensions import connection

from angiogram.dbt.manifest.expectation import Expectation
from angiogram.dbt.package.rendering import macro
from angiogram.warehouse.engines.postgres_scratch import PostgresScratch
from tests.angiogram.sensitivity.partly_expected import PARTLY_EXPECTED


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        pytest.param("select 1 as a, 'x'::text as b", "select 1 as a, 'x'::text as b", id="equal"),
        pytest.param("select 1 as a, 'x'::text as b", "select 'x'::text as b, 1 as a", id="order of columns"),
        pytest.param("select 12.5 as a", "select 12.50 as a", id="trailing zero"),
        pytest.param("select null::text as a", "select null::text as a", id="nulls"),
        pytest.param("select null::text as a", "select ''::text as a", id="null and empty"),
        pytest.param("select 1 as a", "select 1::bigint as a", id="type"),
        pytest.param("select 1 as a", "select 1 as a, 2 as b", id="column too many"),
        pytest.param("select 1 as a, 2 as b", "select 1 as a", id="column too few"),
        pytest.param(
            "select 1 as a union all select 1 union all select 2", "select 1 as a union all select 2", id="copy"
        ),
        pytest.param(
            "select 1 as a union all select 1 union all select 2",
            "select 1 as a union all select 2 union all select 2",
            id="other copies",
        ),
        pytest.param("select 1 as a", "select 1 as a where false", id="row missing"),
        pytest.param("select 1 as a where false", "select 1 as a where false", id="empty"),
        pytest.param("select 1 as a, 1 as loaded_at", "select 1 as a, 2 as loaded_at", id="excluded"),
        pytest.param("""select '{"a": 1}'::json as a""", """select '{"a":1}'::json as a""", id="json"),
        pytest.param("select 'a '::char(2) as a", "select 'a'::char(2) as a", id="padded"),
    ],
)
def test_it_agrees_with_the_text_that_the_dbt_test_and_the_verdict_use(
    session: connection, expected: str, actual: str
) -> None:
    excluded = ["loaded_at"]
    with session.cursor() as query:
        query.execute(f"create temporary table expected as {expected}")
        query.execute(f"create temporary table actual as {actual}")
        scratch = PostgresScratch(session)
        fast = scratch.differs("actual", scratch.shape("expected", excluded))
        statement = macro("differences")("pg_temp.actual", "pg_temp.expected", ["a"], excluded)
        query.execute(statement)
        found = query.fetchall()
    session.rollback()
    assert fast == bool(found)


@pytest.mark.parametrize("where", [None, "a < 3", "a < 2", "a > 3"])
def test_it_agrees_on_the_rows_of_a_where(session: connection, where: str | None) -> None:
    with session.cursor() as query:
        query.execute("create temporary table expected as select 1 as a")
        query.execute("create temporary table actual as select a from generate_series(1, 3) as series (a)")
        scratch = PostgresScratch(session)
        fast = scratch.differs("actual", scratch.shape("expected", where=where))
        statement = macro("differences")("pg_temp.actual", "pg_temp.expected", ["a"], [], where)
        query.execute(statement)
        found = query.fetchall()
    session.rollback()
    assert fast == bool(found) == (where != "a < 2")


@pytest.mark.parametrize(("how", "expected", "actual", "is_equal"), PARTLY_EXPECTED)
def test_it_agrees_on_what_an_expectation_leaves_out(
    session: connection, how: Expectation, expected: str, actual: str, is_equal: bool
) -> None:
    with session.cursor() as query:
        query.execute(f"create temporary table expected as {expected}")
        query.execute(f"create temporary table actual as {actual}")
        scratch = PostgresScratch(session)
        fast = scratch.differs("actual", scratch.shape("expected", how.exclude, how=how))
        told = list(how.exclude), None, list(how.only), how.precision, how.types
        query.execute(macro("differences")("pg_temp.actual", "pg_temp.expected", ["id"], *told))
        found = query.fetchall()
    session.rollback()
    assert fast == bool(found) == (not is_equal)
