"""The dye's schemas are emptied before a run: not tables alone, and nothing that others made or need."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import UnsupportedProject
from angiogram.warehouse import dye_schemas
from sandbox.services import Sandbox
from tests.services import connect_as_administrator, new_database

EVERYTHING = """
create sequence "The dye".numbers;
create type "The dye".mood as enum ('well', 'ill');
create type "The dye".pair as (a int, b int);
create type "The dye".span as range (subtype = int);
create domain "The dye".cents as numeric check (value >= 0);
create collation "The dye".plain (locale = 'C');
create function "The dye".euros(amount "The dye".cents, "how?" text default '%') returns numeric
    language sql return amount / 100;
create procedure "The dye".nothing() language sql as 'select 1';
create function "The dye".added(a numeric, b int) returns numeric language sql return a + b;
create aggregate "The dye".summed(int) (sfunc = "The dye".added, stype = numeric, initcond = '0');
create function "The dye".is_less(a "The dye".pair, b "The dye".pair) returns boolean language sql return (a).a < (b).a;
create operator "The dye".<% (leftarg = "The dye".pair, rightarg = "The dye".pair, function = "The dye".is_less);
create function "The dye".compared(a "The dye".mood, b "The dye".mood) returns int language sql return 0;
create function "The dye".noted() returns trigger language plpgsql as 'begin return null; end';
create text search dictionary "The dye".words (template = pg_catalog.simple);
create text search configuration "The dye".searching (copy = pg_catalog.simple);
create table "The dye".guests (
    id serial primary key, spent "The dye".cents, mood "The dye".mood default 'well', euros numeric
);
create statistics "The dye".spending on spent, id from "The dye".guests;
create trigger noted after insert on "The dye".guests for each row execute function "The dye".noted();
create view "The dye".rich as select "The dye".euros(spent) as euros from "The dye".guests;
create view people.rich as select euros from "The dye".rich;
"""
MIGHT_BE_THE_DYES = """
create schema "The dye" authorization angiogram;
create schema people authorization angiogram;
"""
OF_OTHERS = """
create function "The dye".of_an_extension() returns int language sql as 'select 2';
alter function "The dye".of_an_extension() owner to angiogram;
alter extension plpgsql add function "The dye".of_an_extension;
create function "The dye".of_a_person() returns int language sql as 'select 1';
"""
LEFT = """
select identified.type, coalesce(proname, identified.identity)
from pg_depend
cross join lateral pg_identify_object(classid, objid, 0) as identified
left join pg_proc on classid = 'pg_proc'::regclass and objid = pg_proc.oid
where refclassid = 'pg_namespace'::regclass and refobjid = '"The dye"'::regnamespace
"""


@pytest.fixture
def administrator(sandbox: Sandbox) -> Iterator[cursor]:
    """A superuser's session in a database with a schema of the dye and another one."""
    with new_database(), closing(connect_as_administrator()) as database, database.cursor() as query:
        query.execute(MIGHT_BE_THE_DYES)
        yield query


def test_nothing_of_an_earlier_run_is_left_and_what_the_dye_did_not_make_is(
    administrator: cursor, connect_as: Callable[..., connection]
) -> None:
    """Functions, types and whatever else a hook may make; extensions and the work of other roles stay."""
    administrator.execute(OF_OTHERS)
    dye = connect_as("angiogram")
    with dye.cursor() as query:
        query.execute(EVERYTHING)
    dye_schemas.empty(dye, ["The dye"], print)
    administrator.execute(LEFT)
    assert sorted(administrator.fetchall()) == [("function", "of_a_person"), ("function", "of_an_extension")]
    dye_schemas.empty(dye, ["The dye"], print)


@pytest.mark.parametrize(
    ("needs", "named"),
    [
        pytest.param('create table people.guests (mood "The dye".mood)', "people.guests", id="a column's type"),
        pytest.param(
            'create table people.guests (n numeric check ("The dye".euros(n) > 0))', "people.guests", id="a check"
        ),
        pytest.param(
            'create table people.guests (spent numeric default "The dye".euros(1))', "people.guests", id="a default"
        ),
        pytest.param('create view people.one as select "The dye".euros(1)', "people.one", id="a view"),
        pytest.param(
            'create function people.one() returns numeric language sql return "The dye".euros(1)',
            "people.one()",
            id="a function",
        ),
    ],
)
def test_what_a_function_or_type_of_the_dye_would_take_with_it_elsewhere_stops_the_run(
    administrator: cursor, connect_as: Callable[..., connection], needs: str, named: str
) -> None:
    """A cascade would drop a column, a check or a default of a table that people read."""
    dye = connect_as("angiogram")
    with dye.cursor() as query:
        query.execute(EVERYTHING)
        query.execute(needs)
    administrator.execute(LEFT)
    before = sorted(administrator.fetchall())
    with pytest.raises(UnsupportedProject) as refused:
        dye_schemas.empty(dye, ["The dye"], print)
    assert named in str(refused.value)
    administrator.execute(LEFT)
    assert sorted(administrator.fetchall()) == before
