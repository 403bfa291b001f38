"""Values made up for a type are ones that PostgreSQL reads."""

from collections.abc import Callable
from random import Random

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import execute_values

from angiogram.judge.cause.tables import Column, Table
from angiogram.sensitivity.mutants.mutants import seed_mutants
from angiogram.sensitivity.mutants.nearby import made_up_id, other_value, shifted


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("smallint", "32767"),
        ("int", "-7"),
        ("INT8", "9"),
        ("decimal(6, 2)", "12.50"),
        ("real", "NaN"),
        ("float8", "1e-7"),
        ("bool", "t"),
        ("date", "9999-12-31"),
        ("timestamp(3) with time zone", "2024-02-29 23:59:59+00"),
        ("timestamp without time zone", "infinity"),
        ("time", "00:00:00"),
        ("timetz", "23:30:00+02"),
        ("uuid", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("json", '{"a": 1}'),
        ("varchar(3)", "abc"),
        ("inet", "10.0.0.1"),
        ("text[]", "{a,b}"),
    ],
)
def test_what_is_made_up_for_a_type_can_be_stored(
    connect_as: Callable[..., connection], type_name: str, value: str
) -> None:
    random = Random(1)  # noqa: S311
    made = {shifted(random, value, type_name) for _ in range(50)} | {made_up_id(5000, type_name)}
    with connect_as("postgres").cursor() as query:
        query.execute(sql.SQL("create temporary table made (value {})").format(sql.SQL(type_name)))
        execute_values(query, "insert into made values %s", [[other] for other in made])


@pytest.mark.parametrize(
    ("value", "type_name", "other"),
    [
        ("1.0740", "numeric", "1.0741"),
        ("7", "integer", "8"),
        ("12", "int", "13"),
        ("12.50", "decimal(6,2)", "12.51"),
        ("2024-01-31", "date", "2024-02-01"),
        ("2024-01-31 09:00:00", "timestamp without time zone", "2024-02-01 09:00:00"),
        ("True", "boolean", "false"),
        ("f", "bool", "true"),
        ("Utah", "text", "uTAH"),
        ("350", "text", "350~"),
        (None, "numeric", "0"),
        (None, "date", "2000-01-01"),
        (None, "text", "~"),
        ("infinity", "date", None),
        ("NaN", "numeric", None),
    ],
)
def test_a_reference_value_is_changed_a_little(value: str | None, type_name: str, other: str | None) -> None:
    assert other_value(value, type_name) == other


def test_a_null_of_a_type_that_nobody_knows_is_left_alone() -> None:
    seed = Table("offices", (Column("city", "text"), Column("address", "inet")), ((("Oslo", None),),))
    assert [mutant.operator for mutant in seed_mutants(seed)] == ["seed_row", "seed_double"]
