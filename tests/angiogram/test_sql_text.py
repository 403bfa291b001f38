"""SQL of two targets: what counts as the same, and which lines differ."""

import pytest

from angiogram.judge.guards.sql_text import RelationNames, differing, lines_of, pairs, shown, steady

ORDERS, RAW, SOURCE = "model.shop.orders", "seed.shop.raw_orders", "source.shop.till.orders"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("select  1\n\n\n from\tx ", ["select 1", "from x"], id="white space"),
        pytest.param("select 1 -- one\n/* two\n lines */from x", ["select 1", "from x"], id="comments"),
        pytest.param("select '--  no comment', '/* nor */'", ["select '--  no comment', '/* nor */'"], id="literals"),
        pytest.param("select 'it''s  -- so'", ["select 'it''s  -- so'"], id="a doubled quote"),
        pytest.param(r"select e'\'  --', 1", [r"select e'\'  --', 1"], id="an escaped quote"),
        pytest.param('select "a  -- b"', ['select "a  -- b"'], id="a quoted name"),
        pytest.param("select $x$ -- '  $x$, 1 -- c", ["select $x$ -- '  $x$, 1"], id="dollars"),
    ],
)
def test_comments_and_white_space_are_no_sql_and_literals_are(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


def test_names_of_relations_are_set_aside_quoted_or_not_and_none_within_another() -> None:
    names = RelationNames([('"db"."live"."orders"', ORDERS), ("db.live.orders_old", "model.shop.old")])
    text = 'select "db"."live"."orders"."id" from "db"."live"."orders" join "live"."orders" join db.live.orders_old'
    orders = f"{{{ORDERS}}}"
    assert names.aside(text).split() == [
        *("select", f'{orders}."id"', "from", orders, "join", orders, "join", "{model.shop.old}")
    ]
    assert names.aside("from db.live.orders_older") == "from db.live.orders_older"


def test_what_each_side_reads_is_paired_where_all_else_is_the_same() -> None:
    live, dye = [f"from {{{SOURCE}}}", f"join {{{ORDERS}}}"], [f"from {{{RAW}}} join {{{ORDERS}}}"]
    assert pairs(live, dye) == [(SOURCE, RAW)]
    assert pairs([*live, "where paid"], dye) is None
    assert pairs([f"(1) from {{{ORDERS}}}"], ["(1)"]) is None


def test_only_the_lines_that_differ_are_told_and_no_input_of_the_dye() -> None:
    live = [f"from {{{SOURCE}}}", "where paid", "limit 10"]
    dye = [f"from {{{RAW}}}", "limit 10"]
    assert differing(live, dye, {RAW: SOURCE}) == [(["where paid"], [])]
    assert shown(live[0]) == "from till.orders"


def test_what_varies_from_one_compilation_to_the_next_is_no_part_of_a_text() -> None:
    first = "select '2026-01-01 10:00:00.123' as at, 'abc-1' as run, 1764412345.5 as epoch, 7 as kept"
    second = "select '2026-01-01 10:00:01.456' as at, 'xyz-2' as run, 1764412346.5 as epoch, 7 as kept"
    assert steady(first, second) == steady(second, first)
    assert "7 as kept" in steady(first, second)
    assert steady(first, first) == first


@pytest.mark.parametrize(
    ("text", "is_value"),
    [
        pytest.param("select case when '{}' like '%live%' then 1 end", True, id="compared"),
        pytest.param("where '{} ' > 'x' -- it's", True, id="with more around it"),
        pytest.param("insert into audit values ('{}')", True, id="written"),
        pytest.param("select to_regclass('{}')", False, id="looked up"),
        pytest.param("select pg_total_relation_size('{}')", False, id="measured"),
        pytest.param("where oid = '{}'::regclass", False, id="cast"),
        pytest.param("create function f() returns int language sql as 'select 1 from {}'", False, id="SQL itself"),
        pytest.param("-- it's\nselect 1 from {}", False, id="after a comment with a quote"),
    ],
)
def test_the_name_of_a_relation_in_a_literal_is_a_value_unless_it_is_looked_up(text: str, is_value: bool) -> None:
    live, dye = '"db"."live"."orders"', '"db"."dye"."orders"'
    of_live, of_dye = (RelationNames([(name, ORDERS)]).aside(text.format(name)) for name in (live, dye))
    assert (of_live != of_dye) == is_value
