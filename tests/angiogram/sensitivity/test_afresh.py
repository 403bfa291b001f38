"""Sensitivity is answered by nothing that an earlier build left in the database."""

from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import UnmutatedFails, UnsupportedProject
from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.warehouse.engines.postgres_scratch import PostgresScratch
from tests.angiogram.edits import edit
from tests.services import connect_as_administrator

BUILT_EARLIER = """
create schema angiogram_coffee_shop;
create table angiogram_coffee_shop.visitors as select 1 as guest_id;
create table angiogram_coffee_shop.takings_by_month as select null::date as month, 0 as takings;
grant usage on schema angiogram_coffee_shop to public;
grant select on all tables in schema angiogram_coffee_shop to public;
"""


@pytest.fixture(scope="module")
def old_tables(database: str) -> None:
    """Tables of an earlier build, one of them of a model that has another name now."""
    with connect_as_administrator(database) as server, server.cursor() as query:
        query.execute(BUILT_EARLIER)
    server.close()


@pytest.mark.parametrize("relation", ["angiogram_coffee_shop.visitors", "visitors"])
@pytest.mark.usefixtures("old_tables")
def test_the_old_table_of_a_renamed_model_answers_no_reader(coffee_shop: Path, relation: str) -> None:
    """With its schema and without, where the profile has a search path."""
    edit(coffee_shop / "profiles.yml", "type: postgres", "type: postgres\n      search_path: angiogram_coffee_shop")
    regulars = coffee_shop / "models" / "reports" / "regulars.sql"
    regulars.write_text("select * from {{ ref('guests') }} where guest_id in (select guest_id from visitors)")
    edit(regulars, "visitors", relation)
    project = compile_project(coffee_shop)
    with pytest.raises(
        UnsupportedProject, match=f"regulars reads {relation}, which is not a model, seed or source of the project"
    ):
        Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop))


@pytest.mark.usefixtures("old_tables")
def test_the_old_table_of_a_model_that_cannot_be_built_stands_for_nothing(coffee_shop: Path) -> None:
    edit(coffee_shop / "models" / "reports" / "takings_by_month.sql", "/ 100.0 as takings", "/ 0 as takings")
    project = compile_project(coffee_shop)
    with pytest.raises(UnmutatedFails, match="takings_by_month cannot be built on the dye: division by zero"):
        Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop))


def test_each_trial_of_a_session_starts_without_the_tables_of_the_one_before(
    coffee_shop: Path, compiled: Compiled, session: connection
) -> None:
    (usual, *_) = surroundings(compiled, coffee_shop)
    first = Bench(PostgresScratch(session), compiled, usual.tables, against_expected=False)
    left = first.made()
    with session.cursor() as query:
        query.execute('create temporary table "2:guests_of_old" as select 1')
    session.commit()
    empty = [table.with_rows(()) for table in usual.tables]
    assert Bench(PostgresScratch(session), compiled, empty, against_expected=False).made() != left
    with session.cursor() as query:
        query.execute("select to_regclass('pg_temp.\"2:guests_of_old\"')")
        assert query.fetchall() == [(None,)]
