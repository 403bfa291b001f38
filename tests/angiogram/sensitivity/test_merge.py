"""Later batches are put in as dbt does it, with what narrows its strategies."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from psycopg2.extensions import connection

from angiogram.judge.cause.incremental import Incremental
from angiogram.judge.cause.merge import merge_statements

MERGE = Incremental("", "merge", ("id",), "ignore")
REPLACE = Incremental("", "delete+insert", ("id",), "ignore")
OLD = "DBT_INTERNAL_DEST.a = 0"


@pytest.mark.parametrize(
    ("later", "rows"),
    [
        pytest.param(MERGE, [(1, 7, 7), (2, 7, 7)], id="all columns"),
        pytest.param(replace(MERGE, update_columns=("a",)), [(1, 7, 0), (2, 7, 5)], id="some columns"),
        pytest.param(replace(MERGE, exclude_columns=("A",)), [(1, 0, 7), (2, 5, 7)], id="all but some"),
        pytest.param(
            replace(MERGE, predicates=(OLD,)),
            [(1, 7, 7), (2, 5, 5), (2, 7, 7)],
            id="merge by a predicate",
        ),
        pytest.param(REPLACE, [(1, 7, 7), (2, 7, 7)], id="delete and insert"),
        pytest.param(
            replace(REPLACE, predicates=(OLD,)),
            [(1, 7, 7), (2, 5, 5), (2, 7, 7)],
            id="delete by a predicate",
        ),
    ],
)
def test_a_batch_comes_in(
    connect_as: Callable[..., connection], later: Incremental, rows: list[tuple[int, int, int]]
) -> None:
    with connect_as("postgres").cursor() as query:
        query.execute("create temporary table held as select * from (values (1, 0, 0), (2, 5, 5)) as held (id, a, b)")
        query.execute("create temporary table increment as select id, 7 as a, 7 as b from generate_series(1, 2) as id")
        for statement in merge_statements("held", ["id", "a", "b"], later):
            query.execute(statement)
        query.execute("select * from held order by id, a")
        assert query.fetchall() == rows
