"""A verdict names the views of people that a live build dropped and has not made again."""

from collections.abc import Callable

from psycopg2.extensions import connection

from angiogram.judge.guards.lost_views import LOST_VIEW, notices

TAXI = "taxi_angiogram"
NOTED = """
insert into angiogram.noted_views (notes, schema_name, name, owner, lost_because, noted_at)
values
('staging.dependent_views', 'people', 'refused', 'ann', 'permission denied for schema people', now()),
('staging.dependent_views', 'people', 'untried', 'ann', null, now()),
('staging.dependent_views', 'pg_catalog', 'pg_views', 'postgres', null, now())
"""


def test_lost_views_are_named_with_why_and_one_that_is_there_is_not(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    """Noted by the role of the live target, read by that of the dye target."""
    reader = connect_as("angiogram")
    assert notices(reader, TAXI) == []
    connect_as("dbt_prod").cursor().execute(NOTED)
    refused, untried = notices(reader, TAXI)
    assert refused.code == LOST_VIEW
    assert "people.refused, owned by ann, is missing" in refused.text
    assert "could not recreate it: permission denied for schema people" in refused.text
    assert "people.untried" in untried.text
    assert "the next build will" in untried.text


def test_views_that_another_pipelines_builds_dropped_are_not_named(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    """Two pipelines may keep their notes under the same names; each deletes its own alone."""
    builder = connect_as("dbt_prod").cursor()
    for pipeline in ("orders", TAXI):
        builder.execute("select set_config('angiogram.pipeline', %s, false)", (pipeline,))
        builder.execute("delete from angiogram.noted_views")
        builder.execute(NOTED)
    builder.execute("delete from angiogram.noted_views where name = 'untried'")
    reader = connect_as("angiogram")
    assert [len(notices(reader, pipeline)) for pipeline in ("orders", TAXI, "rides")] == [2, 1, 0]
