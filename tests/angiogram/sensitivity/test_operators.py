"""Each operator makes the mistakes it is named for, and leaves the tree as it was."""

import pytest
from sqlglot import exp

from angiogram.sensitivity.mutants.trees import as_tree, generate, parse
from angiogram.sensitivity.operators import OPERATORS, Scope
from angiogram.sensitivity.operators.columns import similar
from angiogram.sensitivity.operators.patterns import other_patterns


def mutated(operator: str, sql: str) -> set[str]:
    """What an operator makes of a query."""
    tree = as_tree(sql)
    whole = generate(tree)
    found = set()
    for node in list(tree.walk()):
        for replacement in OPERATORS[operator](node, Scope()):
            if node is tree:
                found.add(generate(replacement).lower())
                continue
            node.replace(replacement)
            found.add(generate(tree).lower())
            replacement.replace(node)
    assert generate(tree) == whole
    return found


@pytest.mark.parametrize(
    ("operator", "sql", "mistake"),
    [
        ("comparison", "select a < b", "select a <= b"),
        ("comparison", "select a = b", "select a <> b"),
        ("comparison", "select a between 1 and 2", "select (a > 1 and a <= 2)"),
        ("comparison", "select a between 1 and 2", "select (a >= 1 and a < 2)"),
        ("arithmetic", "select greatest(a, b)", "select least(a, b)"),
        ("logical", "select 1 where a and b", "select 1 where (a or b)"),
        ("logical", "select 1 where a or b", "select 1 where (a) and (b)"),
        ("negation", "select 1 where not a in (1)", "select 1 where a in (1)"),
        ("negation", "select 1 where valid", "select 1 where not (valid)"),
        ("condition", "select 1 where a = 1", "select 1 where true"),
        ("condition", "select 1 where a and b and c", "select 1 where a and b"),
        ("condition", "select 1 where a and b and c", "select 1 where b and c"),
        ("join_condition", "select 1 from t join u on t.a = u.a and t.b = u.b", "select 1 from t join u on t.a = u.a"),
        ("join_type", "select 1 from t left join u on t.a = u.a", "select 1 from t join u on t.a = u.a"),
        ("join_type", "select 1 from t join u on t.a = u.a", "select 1 from t left join u on t.a = u.a"),
        ("in_list", "select a in (1, 2)", "select a in (2)"),
        ("union", "select 1 union all select 2", "select 1 union select 2"),
        ("union", "select 1 union all select 2", "select 1"),
        ("distinct", "select distinct a", "select a"),
        ("distinct", "select sum(a)", "select sum(distinct a)"),
        ("group_key", "select a, b from t group by a, b", 'select a, min(b) as "b" from t group by a'),
        ("sort_direction", "select 1 order by a desc", "select 1 order by a asc"),
        ("sort_key", "select 1 order by a, b", "select 1 order by b"),
        ("nulls_order", "select 1 order by a", "select 1 order by a nulls first"),
        ("limit", "select 1 limit 5", "select 1"),
        ("aggregate", "select sum(a)", "select max(a)"),
        ("aggregate", "select count(*), sum(a) from t", "select count(a), sum(a) from t"),
        ("window_function", "select row_number() over (order by a)", "select rank() over (order by a)"),
        ("window_function", "select lead(b) over (order by a)", "select lag(b) over (order by a)"),
        ("window_partition", "select sum(b) over (partition by a)", "select sum(b) over ()"),
        (
            "window_frame",
            "select sum(b) over (order by a)",
            "select sum(b) over (order by a rows between unbounded preceding and unbounded following)",
        ),
        ("arithmetic", "select a + b", "select (a - b)"),
        ("operand", "select a + b", "select a"),
        ("literal", "select a * 100", "select a * 101"),
        ("rounding", "select round(a, 2)", "select trunc(a, 2)"),
        ("cast", "select a::date", "select (a)"),
        ("cast", "select a::bigint", "select cast(a as int)"),
        ("null_handling", "select coalesce(a, 'x')", "select (a)"),
        ("null_handling", "select a is null", "select a is not null"),
        ("case_branch", "select case when a then 1 end", "select case when false then 1 end"),
        ("case_branch", "select case when a then 1 else 2 end", "select case when a then 1 end"),
        ("string_literal", "select a = 'paid'", "select a = 'paid~'"),
        ("string_function", "select upper(a)", "select lower(a)"),
        ("string_function", "select btrim(a, ' x')", "select trim('x' from a)"),
        ("string_function", "select translate(a, ' x', '')", "select translate(a, 'x', '')"),
        ("string_function", "select translate(a, ' x', '')", "select a"),
        ("pattern", "select a ~ '^[0-9]{5}$'", "select a ~ '^[0-9]{4}$'"),
        ("time_zone", "select a at time zone 'UTC'", "select (a)"),
        ("join_condition", "select 1 from t join u using (a, b)", "select 1 from t join u using (a)"),
        ("join_type", "select 1 from t left join u using (a)", "select 1 from t join u using (a)"),
        ("in_list", "select 1 from t where not a in (1, 2)", "select 1 from t where not a in (1, 2, null)"),
        (
            "case_branch",
            "select case a when 1 then 'x' when 2 then 'y' else 'z' end",
            "select case a when 1 then 'x' else 'z' end",
        ),
        (
            "case_branch",
            "select case a when 1 then 'x' when 2 then 'y' else 'z' end",
            "select case a when 1 then 'x' else 'y' end",
        ),
        ("case_branch", "select case a when 1 then 'x' end", "select (null)"),
        ("case_branch", "select case a when 1 then 'x' end", "select ('x')"),
        ("date_part", "select extract(isodow from a)", "select extract(dow from a)"),
        ("date_part", "select date_part('isodow', a)", "select date_part('dow', a)"),
        ("interval", "select a + interval '24 hours'", "select a + interval '25 hours'"),
        ("date_literal", "select date '2024-01-01'", "select cast('2024-01-02' as date)"),
        ("time_format", "select to_char(a, 'YYYY-MM')", "select to_char(a, 'yyyy-mi')"),
    ],
)
def test_an_operator_makes_its_mistake(operator: str, sql: str, mistake: str) -> None:
    assert mistake in mutated(operator, sql)


def test_group_by_1_and_exists_select_1_are_no_numbers() -> None:
    assert mutated("literal", "select a from t where exists (select 1 from u) group by 1 order by 1") == set()


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        ("^a$", "a$"),
        ("^a$", "^a"),
        ("[0-9]", "[1-9]"),
        ("[T ]", "[T]"),
        ("[.]", "."),
        ("a{1,4}", "a{1,5}"),
        ("(a|b)?", "(a)?"),
        ("(a|b)?", "(a|b)"),
        ("(Z|[+-](0[0-9]|1[0-5]))", "(Z|[+-](1[0-5]))"),
    ],
)
def test_a_pattern_takes_a_little_more_or_less(pattern: str, other: str) -> None:
    assert other in set(other_patterns(pattern))


def test_a_column_is_swapped_for_similar_names_of_its_type() -> None:
    columns = (("fare_amount", "numeric"), ("tax_amount", "numeric"), ("fare_text", "text"), ("usd_rate", "numeric"))
    assert similar("fare_amount", columns) == ["tax_amount", "usd_rate"]


def test_escapes_that_postgresql_does_not_know_are_not_made() -> None:
    r"""sqlglot would write e'\x0b' as e'\v', which PostgreSQL reads as the letter v."""
    tree = parse(r"select btrim(a, e'\t\x0b') from x.t", {("x", "t"): "t"}, "m")
    assert "\\v" not in generate(tree)
    literal = tree.find(exp.Trim)
    assert literal is not None
    assert literal.expression.this == "\t\x0b"
