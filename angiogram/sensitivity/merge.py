"""dbt's incremental strategies on PostgreSQL, as statements on temporary tables."""

from collections.abc import Iterator, Sequence

from psycopg2 import sql

from angiogram.sensitivity.compiled import Incremental

INCREMENT = sql.Identifier("pg_temp", "increment")
"""The rows to be put in, as dbt's own temporary table holds them."""


def merge_statements(target: str, columns: Sequence[str], later: Incremental) -> Iterator[sql.Composed]:
    """The statements by which dbt puts the increment into its table.

    Args:
        target: the temporary table that stands for the model's.
        columns: its columns.
        later: strategy and unique key.
    """
    table = sql.Identifier("pg_temp", target)
    shown = sql.SQL(", ").join(map(sql.Identifier, columns))
    keys = [sql.SQL(key) for key in later.unique_key]  # dbt takes them as SQL, too
    if later.strategy == "merge" and keys:
        matched = sql.SQL(" and ").join(sql.SQL("s.{0} = d.{0}").format(key) for key in keys)
        assigned = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in columns)
        yield sql.SQL(
            "merge into {table} as d using {increment} as s on {matched} when matched then update set {assigned}"
            " when not matched then insert ({shown}) values ({shown})"
        ).format(table=table, increment=INCREMENT, matched=matched, assigned=assigned, shown=shown)
        return
    if later.strategy == "delete+insert" and keys:
        key = sql.SQL(", ").join(keys)
        yield sql.SQL("delete from {table} where ({key}) in (select distinct {key} from {increment})").format(
            table=table, key=key, increment=INCREMENT
        )
    yield sql.SQL("insert into {table} ({shown}) select {shown} from {increment}").format(
        table=table, shown=shown, increment=INCREMENT
    )
