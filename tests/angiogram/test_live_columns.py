"""What live tables are is compared with what the dye built, where the record of production says that both are alike."""

from collections.abc import Callable
from datetime import UTC, datetime

from psycopg2.extensions import connection

from angiogram.core.diagnose import StageHealth
from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import MODEL, StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.judge.guards.live_columns import changes
from angiogram.judge.guards.production import LiveNode, Production

SHOP = "shop"
TABLES = """
create schema live; create schema dye;
create table live.orders (id int, cents int); create table dye.orders (id int, cents int);
create materialized view live.sums as select sum(cents) as total from live.orders where cents > 0;
create materialized view dye.sums as select sum(cents) as total from dye.orders;
create materialized view live.same as select max(cents) as most from live.orders;
create materialized view dye.same as select max(cents) as most from dye.orders;
grant usage on schema dye to angiogram;
insert into angiogram.live_nodes (unique_id, pipeline, name, resource_type, relation, fingerprint)
select 'shop:model.shop.' || name, 'shop', name, 'model', format('"live"."%s"', name), 'as it is'
from unnest(array['orders', 'sums', 'same']) as name
"""


def test_a_live_materialized_view_that_dbt_refreshed_with_its_old_sql_is_named(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    connect_as("owner").cursor().execute(TABLES)
    orders = StageId(MODEL, "orders")
    nodes = {
        name: Node(name, f"model.shop.{name}", False, f'"dye"."{name}"', [] if name == "orders" else [orders])
        for name in ("orders", "sums", "same")
    }
    live = {node.unique_id: LiveNode(node.name, MODEL, "as it is", datetime.now(UTC)) for node in nodes.values()}
    tested = Production(SHOP, live, {unique_id: ["as it is"] for unique_id in live}, {})
    health = {node.stage: StageHealth.HEALTHY for node in nodes.values()}

    (found,) = changes(connect_as("angiogram"), nodes, tested, health)

    assert (found.stage, found.kind) == (StageId(MODEL, "sums"), FindingKind.LIVE_SQL)
    assert "The live materialized view live.sums has the SQL of an earlier version" in found.text
    assert found.advice is not None
    assert "dbt run --full-refresh --select sums" in found.advice
