"""dbt's incremental strategies as statements on temporary tables."""

from collections.abc import Iterator, Sequence

from psycopg2 import sql

from angiogram.judge.cause.incremental import Incremental

INCREMENT = "increment"
"""The temporary table with the rows to add, as in dbt's own."""


def merge_statements(
    target: str, columns: Sequence[str], later: Incremental, schema: str = "pg_temp"
) -> Iterator[sql.Composed]:
    """Yield the statements by which dbt adds the increment to a model's table.

    Args:
        target: the temporary table that stands for the model's.
        columns: its columns.
        later: strategy, unique key and conditions. Its SQL names both tables as in dbt.
        schema: where the session's temporary tables live.
    """
    table, increment = sql.Identifier(schema, target), sql.Identifier(schema, INCREMENT)
    shown = sql.SQL(", ").join(map(sql.Identifier, columns))
    keys = [sql.SQL(key) for key in later.unique_key]  # dbt takes them as SQL as well
    if later.strategy == "merge" and keys:
        same = [sql.SQL("DBT_INTERNAL_SOURCE.{0} = DBT_INTERNAL_DEST.{0}").format(key) for key in keys]
        matched = sql.SQL(") and (").join([*map(sql.SQL, later.predicates), *same])
        assigned = sql.SQL(", ").join(
            sql.SQL("{0} = DBT_INTERNAL_SOURCE.{0}").format(name) for name in _updated(columns, later)
        )
        yield sql.SQL(
            "merge into {table} as DBT_INTERNAL_DEST using {increment} as DBT_INTERNAL_SOURCE on ({matched})"
            " when matched then update set {assigned} when not matched then insert ({shown}) values ({shown})"
        ).format(table=table, increment=increment, matched=matched, assigned=assigned, shown=shown)
        return
    if later.strategy == "delete+insert" and keys:
        yield sql.SQL(
            "delete from {table} as DBT_INTERNAL_DEST where ({key}) in"
            " (select distinct {key} from {increment} as DBT_INTERNAL_SOURCE){predicates}"
        ).format(
            table=table,
            key=sql.SQL(", ").join(keys),
            increment=increment,
            predicates=sql.SQL("").join(sql.SQL(f" and {predicate}") for predicate in later.predicates),
        )
    yield sql.SQL("insert into {table} ({shown}) select {shown} from {increment}").format(
        table=table, shown=shown, increment=increment
    )


def _updated(columns: Sequence[str], later: Incremental) -> list[sql.Composable]:
    if later.update_columns:
        return [sql.SQL(name) for name in later.update_columns]
    excluded = {name.lower() for name in later.exclude_columns}
    return [sql.Identifier(name) for name in columns if name.lower() not in excluded]
