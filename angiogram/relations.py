"""What the database knows of a relation of the dbt project, and how its name stands in SQL.

dbt names its relations quoted already, and quotes within them doubled.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor

from angiogram.project import BATCH


def columns(query: cursor, relation: str) -> set[str]:
    """Names of a relation's columns; none if it is not there."""
    query.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (relation,),
    )
    return {name for (name,) in query.fetchall()}


def later_batches(query: cursor, relation: sql.Composable) -> set[int]:
    """The batches that an input seed names beyond the first, which every row without one belongs to."""
    query.execute(sql.SQL("select distinct {0} from {1} where {0} > 1").format(sql.Identifier(BATCH), relation))
    return {batch for (batch,) in query.fetchall()}


def beside_values(text: str) -> str:
    """A name or a statement as part of one that is executed with values: there psycopg2 takes a lone % for theirs."""
    return text.replace("%", "%%")
