"""A verdict names the views of people that a live build dropped and has not made again."""

from collections.abc import Callable

from psycopg2.extensions import connection

from angiogram.judge.guards.lost_views import LOST_VIEW, notices

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
    assert notices(reader) == []
    connect_as("dbt_prod").cursor().execute(NOTED)
    refused, untried = notices(reader)
    assert refused.code == LOST_VIEW
    assert "people.refused of ann is lost" in refused.text
    assert "could not make it again: permission denied for schema people" in refused.text
    assert "people.untried" in untried.text
    assert "the next build does" in untried.text
