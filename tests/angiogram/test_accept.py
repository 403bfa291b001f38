"""`angiogram accept`: a change that was meant becomes the expected seed, one that the calculation denies does not."""

import csv
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from psycopg2.extensions import connection
from typer import Typer
from typer.testing import CliRunner

from angiogram.author.output import Output
from angiogram.cli.accept_cli import accept as accept_command
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from tests.angiogram.conftest import Outcome
from tests.angiogram.shop import APART

Accept = Callable[..., Outcome]

RIDES_BY_DAY = """
select
    trip_date,
    count(*) as ride_count
from {{ ref('fct_rides') }}
group by trip_date
"""
RIDES_BY_DAY_TESTS = """
models:
  - name: rides_by_day
    description: Rides of a day. One row per day.
    data_tests:
      - data_angiogram.equals_expected: {arguments: {compare_model: ref('expected__rides_by_day'), key: [trip_date]}}
"""


@pytest.fixture
def accept(angiogram: Callable[..., Outcome], project_copy: Path) -> Accept:
    """Function that runs `angiogram accept` on the copy of the project; nobody is there to answer."""
    return lambda *arguments: angiogram(
        "accept",
        *arguments,
        DBT_PROJECT_DIR=str(project_copy),
        DBT_PROFILES_DIR=str(project_copy),
        DBT_TARGET_PATH=str(project_copy / "target"),
    )


def stored(project: Path) -> dict[str, bytes]:
    """The expected seeds."""
    return {file.name: file.read_bytes() for file in (project / "seeds" / "angiogram" / "expected").glob("*.csv")}


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a seed."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_what_the_calculation_denies_is_refused_with_its_cells_and_rides(accept: Accept, project_copy: Path) -> None:
    model = project_copy / "models" / "facts" / "fct_rides.sql"
    model.write_text(model.read_text().replace("fare_amount + tax_amount", "fare_amount"))
    before = stored(project_copy)
    refused = accept("fct_rides", "--yes")
    assert refused.code == 1, refused.stderr
    assert "revenue_amount: expected" in refused.stdout
    assert "dye messages concerned: " in refused.stdout
    assert "revenue_by_state" not in refused.stdout, "only the model that was asked about"
    assert "The independent calculation disagrees with fct_rides" in refused.stderr
    assert "change the calculation first (taxi.calculation:CALCULATION)" in refused.stderr
    assert stored(project_copy) == before


def test_what_the_calculation_confirms_is_written_and_then_holds(accept: Accept, project_copy: Path) -> None:
    """Other exchange rates change the models and the calculation alike."""
    rates = project_copy / "seeds" / "reference" / "exchange_rates.csv"
    lines = rates.read_text().splitlines()
    used = {row["currency"] for row in rows(project_copy / "seeds/angiogram/expected/expected__fct_rides.csv")} - {
        "USD"
    }
    changed = [",".join([*cells[:-1], "0.5"]) if (cells := line.split(","))[0] in used else line for line in lines]
    rates.write_text("\n".join(changed) + "\n")
    before = stored(project_copy)

    unanswered = accept()
    assert unanswered.code == 1, unanswered.stderr
    assert stored(project_copy) == before, "nobody said yes"

    assert accept("--yes").code == 0
    after = stored(project_copy)
    different = {name for name in before if before[name] != after[name]}
    assert {"expected__exchange_rates.csv", "expected__fct_rides.csv", "expected__revenue_by_currency.csv"} <= different
    assert "expected__stg_taxi__rides.csv" not in different

    again = accept()
    assert again.code == 0
    assert "Nothing to accept" in again.stderr


def test_where_no_calculation_knows_the_model_it_says_so_and_takes_a_yes(accept: Accept, project_copy: Path) -> None:
    (project_copy / "models" / "revenue" / "rides_by_day.sql").write_text(RIDES_BY_DAY)
    (project_copy / "models" / "revenue" / "_by_day.yml").write_text(RIDES_BY_DAY_TESTS)
    expected = project_copy / "seeds" / "angiogram" / "expected"
    seed = expected / "expected__rides_by_day.csv"
    seed.write_text("trip_date\n2024-01-01\n")

    written = accept("rides_by_day", "--yes")

    assert written.code == 0, written.stderr
    assert "new column ride_count, " in written.stdout
    assert re.search(r"trip_date \d{4}-\d\d-\d\d: [1-9]\d*\n", written.stdout), "what the yes is about"
    assert "add column_types for expected__rides_by_day to dbt_project.yml: ride_count: bigint" in " ".join(
        written.stdout.split()
    )
    assert "No independent calculation knows rides_by_day" in written.stderr
    assert seed.name in written.stdout
    days = Counter(ride["trip_date"] for ride in rows(expected / "expected__fct_rides.csv"))
    assert {row["trip_date"]: int(row["ride_count"]) for row in rows(seed)} == days


def test_an_unknown_model_is_named_beside_those_that_there_are(accept: Accept) -> None:
    unknown = accept("fct_rydes")
    assert unknown.code == 2
    assert "no model fct_rydes" in unknown.stderr
    assert "fct_rides" in unknown.stderr


def test_a_new_seed_keeps_the_words_of_what_stays_the_same() -> None:
    """Order of columns and rows, digits and forms of times: only what changed shows in a diff."""
    output = Output(
        columns=["name", "at", "amount", "tip"],
        key=["name"],
        rows=[
            {"name": "new", "at": None, "amount": Decimal("1.0"), "tip": True},
            {"name": "a", "at": datetime(2026, 1, 1, tzinfo=UTC), "amount": Decimal("1.5000"), "tip": False},
            {"name": "b, c", "at": None, "amount": Decimal("3.25"), "tip": None},
        ],
    )
    before = 'amount,gone,name,at\n2,x,"b, c",\n1.50,y,a,2026-01-01 00:00:00+00\n9,z,dropped,\n'
    assert output.as_seed(before) == (
        'amount,name,at,tip\n3.25,"b, c",,\n1.50,a,2026-01-01 00:00:00+00,false\n1.0,new,,true\n'
    )
    assert output.columns_beyond(before) == ["tip"]


@pytest.mark.parametrize(("cell", "is_writable"), [("", False), (" NULL ", False), ("nil", True), (None, True)])
def test_a_text_that_dbt_would_read_as_null_is_not_written(cell: str | None, is_writable: bool) -> None:
    output = Output(["day", "note"], ["day"], [{"day": date(2026, 1, 1), "note": cell}])
    assert (output.unwritable() is None) is is_writable


@pytest.mark.parametrize(
    ("hooks", "is_writable"),
    [
        pytest.param([], False, id="no post-hook"),
        pytest.param(["update {{ this }} set town = replace(town, '<CR>', e'\\r')"], False, id="of another column"),
        pytest.param(["update {{ this }} set note = replace(note, '<CR>', e'\\r')"], True, id="of this column"),
    ],
)
def test_a_carriage_return_is_written_only_where_the_project_puts_it_back(hooks: list[str], is_writable: bool) -> None:
    output = Output(["day", "note"], ["day"], [{"day": date(2026, 1, 1), "note": "a\rb"}])
    assert (output.unwritable(hooks) is None) is is_writable


def test_only_the_rows_that_are_compared_become_the_seed(connect_as: Callable[..., connection]) -> None:
    node = Node("made", "model.made", False, '"pg_temp"."made"', [], key=["id"], where="id % 2 = 1 -- the odd ones")
    database = connect_as("postgres")
    with database.cursor() as query:
        query.execute("create temporary table made as select id from generate_series(1, 3) as series (id)")
    assert Output.of(database, node).as_seed("id\n") == "id\n1\n3\n"


def test_what_python_has_other_words_for_is_written_as_postgresql_reads_it(
    connect_as: Callable[..., connection],
) -> None:
    node = Node("made", "model.made", is_seed=False, relation='"pg_temp"."made"', reads=[], key=["id"])
    database = connect_as("postgres")
    with database.cursor() as query:
        query.execute(
            "create temporary table made as select 1 as id, array['a', 'b,c'] as tags, time '09:30' as at,"
            " '{\"a\": [1, null]}'::jsonb as doc, '\\x00ff'::bytea as digest, interval '1 month 2 days' as span,"
            " int4range(1, 3) as years"
        )
        [row] = csv.DictReader(StringIO(Output.of(database, node).as_seed("id\n")))
        query.execute("insert into made values (%s, %s, %s, %s, %s, %s, %s)", list(row.values()))
        query.execute("select count(*), count(distinct made::text) from made")
        assert query.fetchall() == [(2, 1)]


def test_what_cannot_be_compared_is_not_told_as_no_difference(
    strange: connection, shop: Callable[..., Project]
) -> None:
    shop(APART, models=("key: id", "key: number"))
    app = Typer()
    app.command()(accept_command)
    refused = CliRunner().invoke(app, ["orders", "--yes"])
    assert refused.exit_code == 1, refused.output
    assert "orders: not compared\n" in refused.stdout
    assert "cannot become a seed: its test equals_expected names no column that is compared: number" in refused.stdout
