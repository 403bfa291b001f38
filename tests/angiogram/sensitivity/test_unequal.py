"""Where an unmutated model differs from its expected seed: in which column, type, row and cell."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from psycopg2.extensions import connection

from angiogram.dbt.manifest.expectation import Expectation
from angiogram.sensitivity.bench.unequal import difference
from angiogram.warehouse.engines.duckdb_scratch import DuckScratch
from angiogram.warehouse.engines.postgres_scratch import PostgresScratch
from angiogram.warehouse.engines.scratch import Scratch
from tests.services import connect_as_administrator

EXPECTED = "select 1 as id, 2.5::numeric(9, 2) as price, null::text as note, 7 as taken_at"


@pytest.fixture
def duckdb(tmp_path: Path) -> Iterator[DuckScratch]:
    """A scratch session, in memory."""
    opened = DuckScratch(DuckDBCredentials(path=str(tmp_path / "some.duckdb"), schema="main", database="some"))
    with closing(opened):
        opened.begin(None)
        yield opened


def told(session: Scratch, made: str, where: str | None = None) -> str:
    """What is said of a table that should hold `EXPECTED`, but for a column that depends on the run."""
    session.make("made", made)
    session.make("expected", EXPECTED)
    return difference(session, "made", session.shape("expected", ["taken_at"], where), ["id"])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param(("2.5::numeric(9, 2)", "2.5::double"), "Column price is DOUBLE; DECIMAL(9,2) is", id="type"),
        pytest.param((", null::text as note", ""), "Column note is missing; VARCHAR is expected.", id="column"),
        pytest.param(("7 as", "1 as more, 7 as"), "Column more is not expected; it is INTEGER.", id="column too many"),
        pytest.param(("2.5", "3"), "In the row id '1', price is '3.00'; '2.50' is expected.", id="cell"),
        pytest.param(("null::text", "''"), "In the row id '1', note is ''; null is expected.", id="null"),
        pytest.param(("1 as id", "4 as id"), "The row id '1' is missing.", id="row"),
        pytest.param(("taken_at", f"taken_at union all {EXPECTED}"), "The row id '1' is not expected.", id="twice"),
    ],
)
def test_the_first_difference_is_said(duckdb: DuckScratch, changed: tuple[str, str], sentence: str) -> None:
    assert told(duckdb, EXPECTED.replace(*changed)).startswith(sentence)


def test_rows_that_are_not_compared_are_no_difference(duckdb: DuckScratch) -> None:
    another = EXPECTED.replace("1 as", "0 as")
    sentence = told(duckdb, f"{another} union all {EXPECTED.replace('2.5', '9')}", where="id = 1")
    assert sentence == "In the row id '1', price is '9.00'; '2.50' is expected."


def test_what_the_expectation_does_not_compare_is_no_difference(duckdb: DuckScratch) -> None:
    how = Expectation(exclude=("note",), precision={"price": 1}, types=False)
    duckdb.make("expected", EXPECTED)
    expected = duckdb.shape("expected", ["taken_at"], how=how)
    duckdb.make("made", EXPECTED.replace("2.5::numeric(9, 2)", "2.52::double").replace("null::text", "'x'"))
    assert difference(duckdb, "made", expected, ["id"]) == ""
    duckdb.make("other", EXPECTED.replace("2.5", "2.56"))
    assert difference(duckdb, "other", expected, ["id"]) == "In the row id '1', price is '2.6'; '2.5' is expected."


def test_on_postgresql_the_same_is_said_and_only_own_tables_are_analyzed(session: connection) -> None:
    """Another session holds a table of the same owner as one does that analyzes it, or alters it."""
    with session.cursor() as query:
        query.execute("select current_user")
        [(owner,)] = query.fetchall()
        query.execute("set lock_timeout to '100ms'")
        session.commit()
    server = connect_as_administrator()
    server.autocommit = False
    with closing(server), server.cursor() as query:
        query.execute(f"create table public.held (id int); alter table public.held owner to {owner}")
        server.commit()
        query.execute("lock table public.held in share update exclusive mode")
        scratch = PostgresScratch(session)
        scratch.begin(None)
        sentence = told(scratch, EXPECTED.replace("2.5", "3"))
        scratch.settle()
        server.rollback()
        query.execute("drop table public.held")
        server.commit()
    assert sentence == "In the row id '1', price is '3.00'; '2.50' is expected."
