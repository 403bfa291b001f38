"""A snapshot is taken in each batch and compared without dbt's times, in the order of validity."""

from pathlib import Path

import pytest
import yaml

from tests.angiogram.edits import edit
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, differences_at

STATES = """
select ticket_id, (array_agg(state order by changed_at desc nulls last))[1] as state
from {{ ref('base_tickets') }}
where ticket_id in (4, 5, 7)
group by ticket_id
"""
SNAPSHOT = """
snapshots:
  - name: states_over_time
    relation: ref('states')
    config: {unique_key: ticket_id, strategy: check, check_cols: [state]}
"""
CHANGES = "select ticket_id, count(*) - 1 as changes from {{ ref('states_over_time') }} group by ticket_id"
EXPECTED = {
    "states": "ticket_id,state\n4,void\n5,paid\n7,void\n",
    "states_over_time": "ticket_id,state,dbt_version,dbt_is_current\n"
    "4,paid,1,false\n4,void,2,true\n5,open,1,false\n5,paid,2,true\n7,void,1,true\n",
    "changes": "ticket_id,changes\n4,1\n5,1\n7,0\n",
}
TYPES = {"ticket_id": "integer", "state": "text", "dbt_version": "bigint", "dbt_is_current": "boolean"}


@pytest.fixture
def shop(coffee_shop: Path) -> Path:
    """The second project with a snapshot of what a ticket's state is, and a model that counts its changes."""
    (coffee_shop / ".angiogram" / "surface.yml").unlink()
    (coffee_shop / "models" / "core" / "states.sql").write_text(STATES)
    (coffee_shop / "models" / "reports" / "changes.sql").write_text(CHANGES)
    (coffee_shop / "snapshots").mkdir()
    (coffee_shop / "snapshots" / "snapshots.yml").write_text(SNAPSHOT)
    described = [
        {
            "name": name,
            "data_tests": [
                {
                    "data_angiogram.equals_expected": {
                        "arguments": {"compare_model": f"ref('expected__{name}')", "key": "ticket_id"},
                        "config": {"enabled": "{{ target.name in var('dye_targets') }}"},
                    }
                }
            ],
        }
        for name in ("states", "changes")
    ]
    (coffee_shop / "models" / "states.yml").write_text(yaml.dump({"models": described}))
    types = {**TYPES, "changes": "bigint"}
    seeds = coffee_shop / "seeds" / "expected"
    for name, text in EXPECTED.items():
        (seeds / f"expected__{name}.csv").write_text(text)
    configured = [
        {
            "name": f"expected__{name}",
            "config": {"column_types": {column: types[column] for column in text.splitlines()[0].split(",")}},
        }
        for name, text in EXPECTED.items()
    ]
    (seeds / "states.yml").write_text(yaml.dump({"seeds": configured}))
    return coffee_shop


def test_each_version_is_compared_and_a_missed_one_blocks_the_snapshot_itself(shop: Path, judge: Judge) -> None:
    right = judge(shop)
    assert (right["verdict"], blocked(right)) == ("healthy", [])
    assert ("snapshot", "states_over_time", 5) in [
        (stage["kind"], stage["name"], stage["rows_out"]) for stage in right["stages"]
    ]
    edit(shop / "snapshots" / "snapshots.yml", "check_cols: [state]", "check_cols: [ticket_id]")
    wrong = judge(shop)
    assert blocked(wrong) == ["snapshot:states_over_time"]
    states = {stage["name"]: stage["verdict"] for stage in wrong["stages"]}
    assert (states["states"], states["changes"]) == ("healthy", "affected")
    lost = differences_at(wrong, "snapshot:states_over_time")["first"]
    assert {(one["difference"], one["row_key"]["ticket_id"], one["row_key"]["dbt_version"]) for one in lost} == {
        *(("changed", ticket, 1) for ticket in (4, 5)),
        *(("missing", ticket, 2) for ticket in (4, 5)),
    }


def test_a_model_that_reads_a_right_snapshot_wrongly_is_blocked_itself(shop: Path, judge: Judge) -> None:
    edit(shop / "models" / "reports" / "changes.sql", "count(*) - 1", "count(*)")
    assert blocked(judge(shop)) == ["changes"]
