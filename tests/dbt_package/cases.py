"""Hard cases of the comparison: two tables and all their differences, whichever engine holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

LONG = "a" * 62
"""With one more letter it has 63 bytes, which is the longest name of PostgreSQL."""

POSTGRES, DUCKDB = "postgres", "duckdb"
Sql = str | dict[str, str]
"""The same SQL on every engine, or one for each by dbt's name of the engine."""

Found = tuple[str, dict[str, Any] | None, str | None, Any, Any]
"""A difference: its kind, the row's key, the column, and both values. A type's name is not compared: None."""


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: of the case; its tables and its test are called after it.
        actual, expected: a query for each side.
        found: what the comparison must find.
        key: the columns that identify a row.
        alias: the name of the relation that is compared, if it matters.
        where: which rows of `actual` are compared.
        how: further arguments of the test: only, exclude, precision, types, column_order.
        meta: what the model says of its comparison in meta.equals_expected.
        unique: the column of `actual` that has a test `unique`.
    """

    name: str
    actual: Sql
    expected: Sql
    found: tuple[Found, ...] = ()
    key: tuple[str, ...] = ("id",)
    alias: str | None = None
    where: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    unique: str | None = None


def rows(columns: str, *values: str) -> str:
    """A query for rows, which may be none."""
    return f"select * from (values {', '.join(values)}) as made ({columns})"  # noqa: S608  this module's own


def one(columns: str) -> str:
    return f"select 1 as id, {columns}"


def moment(text: str) -> str:
    return f"cast('{text}' as timestamp with time zone)"


def double(text: str) -> str:
    return f"cast('{text}' as double precision)"


PAIR = "{{ ref('pair').include(database=false) }}"
MANY = (
    "select i as id, 'row ' || i as name, cast(i * 0.25 as decimal(12, 2)) as amount"
    " from generate_series(1, 1000000) as s (i)"
)

WIDE = {f"c{number}": number for number in range(130)}
"""A row of more columns than PostgreSQL passes arguments to a function."""


def wide(**changes: int) -> str:
    return "select " + ", ".join(f"{value} as {name}" for name, value in (WIDE | changes).items())


CASES = (
    Case(
        "a_whole_row_of_130_columns_as_key",
        wide(c129=1),
        wide(),
        (("missing", WIDE, None, WIDE, None), ("unexpected", WIDE | {"c129": 1}, None, None, WIDE | {"c129": 1})),
        key=tuple(WIDE),
    ),
    Case(
        "order_of_rows_and_columns",
        rows("id, name", "(1, 'x')", "(2, 'y')"),
        rows("name, id", "('y', 2)", "('x', 1)"),
    ),
    Case("no_rows", "select 1 as id, 'x' as name where 1 = 0", "select 2 as id, 'y' as name where 1 = 0"),
    Case(
        "nothing_where_a_row_should_be",
        "select 1 as id where 1 = 0",
        "select 1 as id",
        (("missing", {"id": 1}, None, {"id": 1}, None),),
    ),
    Case(
        "multiset",
        rows("id", "(1)", "(2)", "(2)"),
        rows("id", "(1)", "(1)", "(2)"),
        (("multiplicity", {"id": 1}, None, 2, 1), ("multiplicity", {"id": 2}, None, 1, 2)),
    ),
    Case(
        "doubled_and_changed",
        rows("id, name", "(1, 'y')", "(1, 'y')"),
        rows("id, name", "(1, 'x')"),
        (
            ("missing", {"id": 1}, None, {"id": 1, "name": "x"}, None),
            ("unexpected", {"id": 1}, None, None, {"id": 1, "name": "y"}),
            ("unexpected", {"id": 1}, None, None, {"id": 1, "name": "y"}),
        ),
    ),
    Case(
        "nulls",
        rows("id, name", "(1, cast(null as text))", "(2, '')", "(3, 'null')", "(4, null)"),
        rows("id, name", "(1, '')", "(2, cast(null as text))", "(3, null)", "(4, null)"),
        (
            ("changed", {"id": 1}, "name", "", None),
            ("changed", {"id": 2}, "name", None, ""),
            ("changed", {"id": 3}, "name", None, "null"),
        ),
    ),
    Case(
        "null_in_the_key",
        rows("id, part, name", "(1, cast(null as text), 'y')", "(1, 'a', 'z')"),
        rows("id, part, name", "(1, cast(null as text), 'x')", "(1, 'a', 'z')"),
        (("changed", {"id": 1, "part": None}, "name", "x", "y"),),
        key=("id", "part"),
    ),
    Case(
        "texts",
        rows("id, name", "(1, 'x ')", "(2, 'X')", "(3, 'a\"b\\c')", "(4, 'Zürich 🚕')", "(5, 'it''s {{ \"{{\" }}')"),
        rows("id, name", "(1, 'x')", "(2, 'x')", "(3, 'a\"b\\c')", "(4, 'Zürich 🚕')", "(5, 'it''s {{ \"{{\" }}')"),
        (("changed", {"id": 1}, "name", "x", "x "), ("changed", {"id": 2}, "name", "x", "X")),
    ),
    Case(
        "control_characters",
        one("'a' || chr(10) || chr(9) || chr(13) || chr(1) as name"),
        one("'a' || chr(10) || chr(9) || chr(13) || chr(2) as name"),
        (("changed", {"id": 1}, "name", "a\n\t\r\x02", "a\n\t\r\x01"),),
    ),
    Case(
        "nan_and_minus_zero",
        rows("id, n", f"(1, {double('nan')})", f"(2, {double('-0')})", f"(3, {double('nan')})", "(4, null)"),
        rows("id, n", f"(1, {double('nan')})", f"(2, {double('0')})", "(3, null)", f"(4, {double('0')})"),
        (("changed", {"id": 3}, "n", None, "NaN"), ("changed", {"id": 4}, "n", 0, None)),
    ),
    Case(
        "floats",
        rows("id, n", f"(1, {double('0.1')})", f"(2, {double('infinity')})", f"(3, {double('0.30000000000000004')})"),
        rows("id, n", f"(1, {double('0.1')})", f"(2, {double('-infinity')})", f"(3, {double('0.3')})"),
        (
            ("changed", {"id": 2}, "n", "-Infinity", "Infinity"),
            ("changed", {"id": 3}, "n", Decimal("0.3"), Decimal("0.30000000000000004")),
        ),
    ),
    Case(
        "decimals_of_unlike_scale",
        rows("id, n", "(1, cast(12.50 as decimal(10, 2)))", "(2, cast(7 as decimal(10, 2)))"),
        rows("id, n", "(1, cast(12.5 as decimal(10, 4)))", "(2, cast(7.0001 as decimal(10, 4)))"),
        (("changed", None, "n", None, None), ("changed", {"id": 2}, "n", Decimal("7.0001"), 7)),
    ),
    Case(
        "decimals",
        rows(
            "id, n",
            "(1, cast(100 as decimal(30, 10)))",
            "(2, cast('12345678901234567890.0000000001' as decimal(30, 10)))",
        ),
        rows(
            "id, n",
            "(1, cast(100 as decimal(30, 10)))",
            "(2, cast('12345678901234567890.0000000002' as decimal(30, 10)))",
        ),
        (
            (
                *("changed", {"id": 2}, "n"),
                *(Decimal("12345678901234567890.0000000002"), Decimal("12345678901234567890.0000000001")),
            ),
        ),
    ),
    Case(
        "whole_numbers_of_unlike_type",
        one("cast(2 as integer) as n"),
        one("cast(2 as bigint) as n"),
        (("changed", None, "n", None, None),),
    ),
    Case(
        "times_with_zones",
        rows(
            "id, t",
            *(f"(1, {moment('2024-07-01 02:00:00+02')})", f"(2, {moment('2024-07-01 00:00:00.000001+00')})"),
            f"(3, {moment('2024-12-31 23:30:00-01')})",
        ),
        rows(
            "id, t",
            *(f"(1, {moment('2024-07-01 00:00:00+00')})", f"(2, {moment('2024-07-01 00:00:00+00')})"),
            f"(3, {moment('2025-01-01 00:30:00.5+00')})",
        ),
        (
            ("changed", {"id": 2}, "t", "2024-07-01T00:00:00+00:00", "2024-07-01T00:00:00.000001+00:00"),
            ("changed", {"id": 3}, "t", "2025-01-01T00:30:00.5+00:00", "2025-01-01T00:30:00+00:00"),
        ),
    ),
    Case(
        "times_with_and_without_a_zone",
        one("cast('2024-07-01 00:00:00' as timestamp) as t"),
        one(f"{moment('2024-07-01 00:00:00+00')} as t"),
        (
            ("changed", None, "t", None, None),
            ("changed", {"id": 1}, "t", "2024-07-01T00:00:00+00:00", "2024-07-01T00:00:00"),
        ),
    ),
    Case(
        "dates_and_booleans",
        one("cast('2024-02-29' as date) as d, true as b, cast('0a6d9f44-7a1a-4b0e-8b52-0c4b1ab9d001' as uuid) as u"),
        one("cast('2024-03-01' as date) as d, false as b, cast('0A6D9F44-7A1A-4B0E-8B52-0C4B1AB9D001' as uuid) as u"),
        (("changed", {"id": 1}, "b", False, True), ("changed", {"id": 1}, "d", "2024-03-01", "2024-02-29")),
    ),
    Case(
        "arrays",
        {
            POSTGRES: "select 1 as id, array[1, 2] as l, array['a', null] as t union all select 2, '{}', array['b']",
            DUCKDB: "select 1 as id, [1, 2] as l, ['a', null] as t union all select 2, [], ['b']",
        },
        {
            POSTGRES: "select 1 as id, array[2, 1] as l, array['a', null] as t union all select 2, null, array['b']",
            DUCKDB: "select 1 as id, [2, 1] as l, ['a', null] as t union all select 2, null, ['b']",
        },
        (("changed", {"id": 1}, "l", [2, 1], [1, 2]), ("changed", {"id": 2}, "l", None, [])),
    ),
    Case(
        "structs",
        {
            POSTGRES: f"select 1 as id, row(1, 'x')::{PAIR} as s union all select 2, row(2, null)::{PAIR}",
            DUCKDB: "select 1 as id, {'a': 1, 'b': 'x'} as s union all select 2, {'a': 2, 'b': null}",
        },
        {
            POSTGRES: f"select 1 as id, row(1, 'x')::{PAIR} as s union all select 2, row(2, 'y')::{PAIR}",
            DUCKDB: "select 1 as id, {'a': 1, 'b': 'x'} as s union all select 2, {'a': 2, 'b': 'y'}",
        },
        (("changed", {"id": 2}, "s", {"a": 2, "b": "y"}, {"a": 2, "b": None}),),
    ),
    Case(
        "json",
        rows(
            "id, j",
            """(1, cast('{"b": [1.0, {"y": null, "x": "2.0, "}], "a": 1e2}' as json))""",
            """(2, cast('{"a": 1}' as json))""",
        ),
        rows(
            "id, j",
            """(1, cast('{"a":100,"b":[1,{"x":"2.0, ","y":null}]}' as json))""",
            """(2, cast('{"a": "1"}' as json))""",
        ),
        (("changed", {"id": 2}, "j", {"a": "1"}, {"a": 1}),),
    ),
    Case(
        "json_numbers_beyond_a_double",
        one("""cast('{"n": 12345678901234567890.1}' as json) as j"""),
        one("""cast('{"n": 12345678901234567890.2}' as json) as j"""),
        (
            (
                "changed",
                {"id": 1},
                "j",
                {"n": Decimal("12345678901234567890.2")},
                {"n": Decimal("12345678901234567890.1")},
            ),
        ),
    ),
    Case(
        "columns_on_one_side",
        one("'x' as gone, 5 as loaded"),
        one("'x' as fresh, 6 as loaded"),
        (("missing", None, "fresh", None, None), ("unexpected", None, "gone", None, None)),
    ),
    Case(
        "names_of_63_bytes",
        f"select 1 as {LONG}b, 2 as {LONG}c",
        f"select 1 as {LONG}b, 3 as {LONG}c",
        (("changed", {f"{LONG}b": 1}, f"{LONG}c", 3, 2),),
        key=(f"{LONG}b",),
        alias="t" * 63,
    ),
    Case(
        "reserved_and_quoted_names",
        'select 1 as "select", 2 as "a ""b"" \'c\'", 3 as "Group By", 4 as "100%", 5 as "größe", 6 as "cell_1"',
        'select 1 as "select", 3 as "a ""b"" \'c\'", 4 as "Group By", 5 as "100%", 6 as "größe", 7 as "cell_1"',
        tuple(
            ("changed", {"select": 1}, name, value + 1, value)
            for name, value in (("100%", 4), ("Group By", 3), ("a \"b\" 'c'", 2), ("cell_1", 6), ("größe", 5))
        ),
        key=("select",),
        alias="order",
    ),
    Case(
        "where_chooses_rows",
        rows("id, name", "(1, 'x')", "(2, 'wrong')", "(3, 'y')"),
        rows("id, name", "(1, 'x')", "(3, 'z')"),
        (("changed", {"id": 3}, "name", "z", "y"),),
        where="id = 1 or id = 3",
    ),
    Case(
        "only_some_columns",
        rows("id, name, town, age", "(1, 'x', 'Rome', 5)", "(2, 'y', 'Oslo', 6)", "(2, 'y', 'Oslo', 7)"),
        rows("id, name, town", "(1, 'x', 'Pisa')", "(2, 'z', 'Riga')", "(2, 'y', 'Riga')"),
        (
            ("missing", {"id": 2}, None, {"id": 2, "name": "z"}, None),
            ("multiplicity", {"id": 2}, None, 1, 2),
        ),
        how={"only": "name"},
    ),
    Case(
        "only_a_column_that_one_side_has",
        rows("id, town", "(1, 'Rome')"),
        rows("id, name, town", "(1, 'x', 'Pisa')"),
        (("missing", None, "name", None, None),),
        how={"only": ["name"]},
    ),
    Case(
        "some_columns_are_excluded",
        rows("id, name, town, extra", "(1, 'x', 'Rome', 1)", "(2, 'y', 'Oslo', 2)"),
        rows("id, name, town, gone", "(1, 'x', 'Pisa', 1)", "(2, 'z', 'Riga', 2)"),
        (("changed", {"id": 2}, "name", "z", "y"),),
        how={"exclude": ["town", "extra", "gone"]},
    ),
    Case(
        "numbers_to_some_decimals",
        rows(
            "id, amount, rate, name",
            *(f"(1, 2.345, {double('0.3333333')}, 'x')", f"(2, 2.344, {double('0.5')}, 'x')"),
            *(f"(3, -2.345, {double('nan')}, 'y')", f"(4, null, {double('-0.001')}, 'y')"),
        ),
        rows(
            "id, amount, rate, name",
            *(f"(1, 2.350, {double('0.3299999')}, 'x')", f"(2, 2.346, {double('0.51')}, 'x')"),
            *(f"(3, -2.350, {double('nan')}, 'y')", f"(4, null, {double('0')}, 'y')"),
        ),
        (
            ("changed", {"id": 2}, "amount", Decimal("2.35"), Decimal("2.34")),
            ("changed", {"id": 2}, "rate", Decimal("0.51"), Decimal("0.5")),
        ),
        how={"precision": {"amount": 2, "rate": 2, "name": 1}},
    ),
    Case(
        "rows_that_are_equal_once_rounded_count_as_often",
        rows("id, amount", "(1, 1.001)", "(1, 1.002)"),
        rows("id, amount", "(1, 1.000)"),
        (("multiplicity", {"id": 1}, None, 1, 2),),
        how={"precision": {"amount": 1}},
    ),
    Case(
        "types_that_are_not_compared",
        rows("id, n, t", "(1, cast(2 as integer), cast('x' as varchar(9)))", "(2, 3, 'y')"),
        rows("id, n, t", "(1, cast(2.0 as decimal(5, 1)), 'x')", "(2, 4.0, 'y')"),
        (("changed", {"id": 2}, "n", 4, 3),),
        how={"types": False},
    ),
    Case(
        "columns_that_one_side_has_count_without_types_too",
        one("1 as gone"),
        one("'x' as fresh"),
        (("missing", None, "fresh", None, None), ("unexpected", None, "gone", None, None)),
        how={"types": False},
    ),
    Case(
        "columns_in_another_order",
        "select 1 as a, 2 as gone, 1 as id, 3 as b, 4 as c",
        "select 1 as id, 3 as b, 1 as a, 4 as c, 5 as fresh",
        (
            *(("missing", None, "fresh", None, None), ("unexpected", None, "gone", None, None)),
            *(("changed", None, name, None, None) for name in ("a", "b", "id")),
        ),
        how={"column_order": True},
    ),
    Case(
        "columns_in_the_same_order",
        "select 1 as id, 2 as loaded, 3 as b",
        "select 1 as id, 3 as b",
        how={"column_order": True},
    ),
    Case(
        "no_key_is_the_whole_row",
        rows("id, name", "(1, 'x')", "(2, 'y')"),
        rows("id, name", "(1, 'x')", "(2, 'z')"),
        (
            ("missing", {"id": 2, "name": "z"}, None, {"id": 2, "name": "z"}, None),
            ("unexpected", {"id": 2, "name": "y"}, None, None, {"id": 2, "name": "y"}),
        ),
        key=(),
    ),
    Case(
        "no_key_is_the_column_of_a_test_unique",
        rows("name, id", "('x', 1)", "('y', 2)"),
        rows("name, id", "('x', 1)", "('z', 2)"),
        (("changed", {"id": 2}, "name", "z", "y"),),
        key=(),
        unique="id",
    ),
    Case(
        "what_the_model_says_counts_where_the_test_says_nothing",
        rows("id, name, amount", "(1, 'x', 1.26)", "(2, 'y', 9.9)", "(3, 'z', 9.9)"),
        rows("id, name, amount", "(1, 'w', 1.31)", "(2, 'w', 9.9)"),
        (("changed", {"id": 1}, "amount", Decimal("1.31"), Decimal("1.26")),),
        how={"precision": {"amount": 2}},
        meta={"exclude": "name", "precision": {"amount": 1}, "where": "id <= 2", "types": True},
    ),
    Case(
        "everything_at_once",
        rows("id, name, amount, note", "(1, 'x', 1.26, 'a')", "(2, 'y', 2.24, 'b')", "(3, 'z', 9, 'c')"),
        rows("id, name, amount, note", "(1, 'x', 1.3, 'b')", "(2, 'y', 2.3, 'c')"),
        (("changed", {"id": 2}, "amount", Decimal("2.3"), Decimal("2.2")),),
        where="id < 3",
        how={"only": ["name", "amount"], "precision": {"amount": 1}, "types": False, "column_order": True},
    ),
    Case(
        "a_million_rows",
        MANY,
        MANY.replace("'row ' || i", "case when i = 777777 then 'wrong' else 'row ' || i end"),
        (("changed", {"id": 777777}, "name", "wrong", "row 777777"),),
    ),
)
