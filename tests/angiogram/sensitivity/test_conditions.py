"""`angiogram conditions`: how often the dye makes each condition true, false and null."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer import Typer
from typer.testing import CliRunner

from angiogram.cli.sensitivity_cli import conditions
from angiogram.core.errors import UnknownModel
from angiogram.sensitivity.conditions.find import conditions_of
from angiogram.sensitivity.mutants.trees import as_tree

app = Typer()
app.command()(conditions)

TABLES = """
create table t as select * from (values (1, 'a', 2.50), (2, 'b', null), (3, 'b', 4.00)) as v (id, kind, price);
create table u as select * from (values (1, 'x'), (9, 'y')) as v (t_id, name);
"""


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        pytest.param(
            "select 1 from t where not (price > 3 or kind = 'a') and id is not null",
            [("where", "price > 3", "1,1,1"), ("where", "kind = 'a'", "1,2,0"), ("where", "NOT id IS NULL", "3,0,0")],
            id="where",
        ),
        pytest.param(
            "select kind from t where id > 1 group by 1 having count(*) > 2",
            [("where", "id > 1", "2,1,0"), ("having", "COUNT(*) > 2", "0,1,0")],
            id="having, of groups",
        ),
        pytest.param(
            "select count(*) filter (where kind = 'b'), sum(case kind when 'a' then 1 end) from t where id < 3",
            [("where", "id < 3", "2,1,0"), ("filter", "kind = 'b'", "1,1,0"), ("case", "kind = 'a'", "1,1,0")],
            id="filter and simple case, of rows that are left",
        ),
        pytest.param(
            "select case when max(price) > 3 then 1 end from t group by kind",
            [("case", "MAX(price) > 3", "1,1,0")],
            id="case of an aggregate",
        ),
        pytest.param(
            "select case when row_number() over (partition by kind order by id) = 1 then 1 end from t",
            [("case", "ROW_NUMBER() OVER (PARTITION BY kind ORDER BY id) = 1", "2,1,0")],
            id="case of a window",
        ),
        pytest.param(
            "select 1 from t left join u on t.id = u.t_id and u.name <> 'z'",
            [
                ("left join on", "t.id = u.t_id AND u.name <> 'z'", "1,2,0"),
                ("left join on", "t.id = u.t_id AND u.name <> 'z'", "1,1,0"),
            ],
            id="join, of either side",
        ),
        pytest.param(
            "select coalesce(price, 0), round(price, 1), upper(kind) from t",
            [
                ("changed by coalesce", "COALESCE(price, 0)", "1,2,0"),
                ("changed by round", "ROUND(price, 1)", "0,3,0"),
                ("changed by upper", "UPPER(kind)", "3,0,0"),
            ],
            id="changes",
        ),
    ],
)
def test_each_condition_is_counted_alone(sql: str, found: list[tuple[str, str, str]]) -> None:
    with duckdb.connect() as database:
        database.execute(TABLES)
        made = []
        for one in conditions_of(as_tree(sql, "duckdb"), "duckdb"):
            [(counts,)] = database.execute(one.query).fetchall()
            made.append((one.kind, one.text, counts))
    assert made == found


def test_conditions_of_a_project_and_what_the_dye_never_makes_them(coffee_shop: Path) -> None:
    """Batches are added up; the increment is asked of the table of the batch before."""
    shown = CliRunner().invoke(app, ["--json"])
    found: list[dict[str, Any]] = json.loads(shown.stdout)

    def counts(model: str, text: str) -> list[tuple[Any, ...]]:
        chosen = [one for one in found if one["model"] == model and text in one["condition"]]
        return [(one["rows"], one["batch"], one["true"], one["false"], one["null"], one["never"]) for one in chosen]

    assert counts("base_lines", "cups > 0") == [("row", None, 18, 2, 0, [])]
    assert counts("tickets", "lines.sku = menu.sku") == [
        ("the left side", None, 36, 0, 0, ["false"]),
        ("menu", None, 6, 0, 0, ["false"]),
    ]
    assert counts("tickets", "changed_at > (SELECT MAX(changed_at) FROM tickets") == [("row", 2, 8, 13, 1, [])]
    told = CliRunner().invoke(app, ["base_lines"])
    assert "1 condition. The dye makes 0 of them never true, or never false." in told.stdout
    assert isinstance(CliRunner().invoke(app, ["base_liens"]).exception, UnknownModel)
