"""The macro differences: every difference is found, named and shown, rendered by plain Jinja as `angiogram` does."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import cursor

from angiogram.dbt.package.rendering import macro
from sandbox.services import Sandbox
from tests.services import connect_as_administrator, new_database

Difference = tuple[str, str | None, str | None, str | None, str | None]


def key(**values: object) -> str:
    """The row_key of a row, as the comparison writes it."""
    return json.dumps(values)


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    with new_database() as name:
        yield name


@pytest.fixture
def query(database: str) -> Iterator[cursor]:
    """A cursor in a transaction that is rolled back, with schemas for both sides."""
    with closing(connect_as_administrator(database)) as server:
        server.autocommit = False
        with server.cursor() as opened:
            opened.execute('create schema "the actual"; create schema expected')
            yield opened
        server.rollback()


def differences(
    query: cursor, actual: str, expected: str, keys: list[str], excluded: tuple[str, ...] = ()
) -> list[Difference]:
    """Make a table on either side from `columns [: rows]` and compare them."""
    for relation, side in (('"the actual"."a table"', actual), ('expected."a table"', expected)):
        columns, _, rows = side.partition(" : ")
        query.execute(f"create table {relation} ({columns})")
        if rows:
            query.execute(f"insert into {relation} values {rows}")  # noqa: S608  rows of this module's own
    return compared(query, keys, excluded)


def compared(query: cursor, keys: list[str], excluded: tuple[str, ...] = ()) -> list[Difference]:
    render = macro("differences")
    query.execute(render('"the actual"."a table"', 'expected."a table"', keys, list(excluded)))
    return query.fetchall()


@pytest.mark.parametrize(
    ("actual", "expected", "found"),
    [
        pytest.param("id integer", "id integer", [], id="empty tables are equal"),
        pytest.param("id integer, b text : (1, 'x')", "b text, id integer : ('x', 1)", [], id="order of columns"),
        pytest.param("id integer : (1), (2)", "id integer : (2), (1)", [], id="order of rows"),
        pytest.param("id numeric : (12.50)", "id numeric : (12.5)", [], id="12.50 is 12.5"),
        pytest.param("id integer, b text : (1, null)", "id integer, b text : (1, null)", [], id="null is null"),
        pytest.param(
            "id integer : (1)",
            "id integer : (1), (2)",
            [("missing", key(id=2), None, '{"id": 2}', None)],
            id="missing row",
        ),
        pytest.param(
            "id integer : (1), (2)",
            "id integer : (1)",
            [("unexpected", key(id=2), None, None, '{"id": 2}')],
            id="unexpected row",
        ),
        pytest.param(
            "id integer",
            "id integer : (1)",
            [("missing", key(id=1), None, '{"id": 1}', None)],
            id="nothing where a row should be",
        ),
        pytest.param(
            "id integer, a numeric, b text : (1, 0.3000000001, 'x')",
            "id integer, a numeric, b text : (1, 0.30, 'y')",
            [
                ("changed", key(id=1), "a", "0.30", "0.3000000001"),
                ("changed", key(id=1), "b", '"y"', '"x"'),
            ],
            id="one difference for each changed cell",
        ),
        pytest.param(
            "id integer, b text : (1, ''), (2, 'x '), (3, null)",
            "id integer, b text : (1, null), (2, 'x'), (3, 'null')",
            [
                ("changed", key(id=1), "b", "null", '""'),
                ("changed", key(id=2), "b", '"x"', '"x "'),
                ("changed", key(id=3), "b", '"null"', "null"),
            ],
            id="null, an empty string, blanks and the word null are told apart",
        ),
        pytest.param(
            "id integer : (1), (2), (2)",
            "id integer : (1), (1), (2)",
            [("multiplicity", key(id=1), None, "2", "1"), ("multiplicity", key(id=2), None, "1", "2")],
            id="{x, y, y} is not {x, x, y}",
        ),
        pytest.param(
            "id integer, b text : (1, 'y'), (1, 'z')",
            "id integer, b text : (1, 'x')",
            [
                ("missing", key(id=1), None, '{"b": "x", "id": 1}', None),
                ("unexpected", key(id=1), None, None, '{"b": "y", "id": 1}'),
                ("unexpected", key(id=1), None, None, '{"b": "z", "id": 1}'),
            ],
            id="rows of a key that is not unique are not paired",
        ),
        pytest.param(
            "id integer, b text : (1, 'y'), (1, 'y')",
            "id integer, b text : (1, 'x')",
            [
                ("missing", key(id=1), None, '{"b": "x", "id": 1}', None),
                ("unexpected", key(id=1), None, None, '{"b": "y", "id": 1}'),
                ("unexpected", key(id=1), None, None, '{"b": "y", "id": 1}'),
            ],
            id="a row changed and doubled counts each time",
        ),
        pytest.param(
            "id integer, b text : (1, 'same'), (1, 'y')",
            "id integer, b text : (1, 'same'), (1, 'x')",
            [("changed", key(id=1), "b", '"x"', '"y"')],
            id="equal rows do not hinder the pairing of their key",
        ),
        pytest.param(
            "id integer, b text : (null, 'y')",
            "id integer, b text : (null, 'x')",
            [("changed", key(id=None), "b", '"x"', '"y"')],
            id="a null key is a key",
        ),
        pytest.param(
            "id integer, b text : (1, 'x'), (2, 'y')",
            "id integer : (1), (2)",
            [("unexpected", None, "b", None, "text")],
            id="an unexpected column is one difference, not one for each row",
        ),
        pytest.param(
            "id integer",
            "id integer, b date",
            [("missing", None, "b", "date", None)],
            id="a missing column is seen in an empty table",
        ),
        pytest.param(
            "id bigint : (1)",
            "id integer : (1)",
            [("changed", None, "id", "integer", "bigint")],
            id="another type is a difference even if the values are equal",
        ),
        pytest.param(
            "id integer, b text : (1, '1')",
            "id integer, b integer : (1, 1)",
            [("changed", None, "b", "integer", "text"), ("changed", key(id=1), "b", "1", '"1"')],
            id="1 is not the text 1",
        ),
        pytest.param(
            "id integer, seen_at timestamptz : (1, '2026-06-01T10:00:01+02:00')",
            "id integer, seen_at timestamptz : (1, '2026-06-01T08:00:00Z')",
            [
                (
                    "changed",
                    key(id=1),
                    "seen_at",
                    '"2026-06-01T08:00:00+00:00"',
                    '"2026-06-01T08:00:01+00:00"',
                )
            ],
            id="times are shown in UTC",
        ),
    ],
)
def test_differences_are_named_and_shown(query: cursor, actual: str, expected: str, found: list[Difference]) -> None:
    """Each difference comes once, with the vocabulary's word, the key, the column and both cells as JSON."""
    assert differences(query, actual, expected, ["id"]) == found


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_the_session_time_zone_does_not_matter(query: cursor, zone: str) -> None:
    """Two texts of one instant are equal, and a difference reads the same, whatever zone the session has."""
    query.execute("set local time zone %s", (zone,))
    columns = "id integer, seen_at timestamptz"
    found = differences(
        query,
        f"{columns} : (1, '2025-11-02T05:30:00Z'), (2, '2025-11-02T06:30:00Z')",
        f"{columns} : (1, '2025-11-02T01:30:00-04:00'), (2, '2025-11-02T05:30:00Z')",
        ["id"],
    )
    assert found == [("changed", key(id=2), "seen_at", '"2025-11-02T05:30:00+00:00"', '"2025-11-02T06:30:00+00:00"')]


def test_composite_keys_and_odd_names(query: cursor) -> None:
    """Keys of several columns and names with quotes, blanks, capitals and percent signs are taken as they stand."""
    columns = """"It's a ""key" text, "Second Key" integer, "100 % odd" text"""
    found = differences(
        query,
        f"{columns} : ('a', 1, 'x'), ('a', null, 'x')",
        f"{columns} : ('a', 1, 'x'), ('a', null, 'y')",
        ["It's a \"key", "Second Key"],
    )
    assert [(d, column, e, a) for d, _, column, e, a in found] == [("changed", "100 % odd", '"y"', '"x"')]
    assert json.loads(found[0][1] or "") == {"It's a \"key": "a", "Second Key": None}


def test_excluded_columns_are_left_out(query: cursor) -> None:
    """Neither their cells, nor their types, nor their absence count."""
    found = differences(
        query,
        "id integer, loaded_at timestamptz, source_offset bigint : (1, now(), 5)",
        "id integer, loaded_at text : (1, 'some time')",
        ["id"],
        excluded=("loaded_at", "source_offset", "not there at all"),
    )
    assert found == []


def test_a_dropped_column_is_none(query: cursor) -> None:
    """A column that a table once had is no difference."""
    assert differences(query, "id integer, gone text : (1, 'x')", "id integer : (1)", ["id"]) != []
    query.execute('alter table "the actual"."a table" drop column gone')
    assert compared(query, ["id"]) == []
