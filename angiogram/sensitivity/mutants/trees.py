"""Parses compiled SQL into trees and looks up the columns that each select reads.

Relations have local names in a tree.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from angiogram.core.errors import UnsupportedProject
from angiogram.sensitivity.operators import Scope
from angiogram.warehouse.engines.scratch import Columns

MARK = "@"
"""Prefix of the local name of every relation in a tree.

Which table it stands for is decided when the SQL is run.
"""


REFERENCE = "postgres"
"""The dialect in which a mutant's id is worked out, so that the same change has one id on each engine."""


class _Parser(PostgresParser):
    """A parser that leaves date_part a function: EXTRACT has another type."""

    FUNCTION_PARSERS: ClassVar = {
        name: read for name, read in PostgresParser.FUNCTION_PARSERS.items() if name != "DATE_PART"
    }


class _AsWritten(Postgres):
    """PostgreSQL's dialect, read in such a way that it can be written as it was."""

    Parser = _Parser


def as_tree(sql: str, dialect: str = REFERENCE) -> exp.Expr:
    """Parse SQL in such a way that `generate` writes what means the same."""
    return sqlglot.parse_one(sql, read=_AsWritten if dialect == REFERENCE else dialect)


def parse(sql: str, names: Mapping[tuple[str, str], str], model: str, dialect: str = REFERENCE) -> exp.Expr:
    """Parse a model's compiled SQL. Relations get their local names.

    Args:
        sql: the SQL.
        names: the local name of each relation, by its schema and identifier.
        model: the model's name.
        dialect: the engine whose SQL it is.

    Raises:
        UnsupportedProject: the SQL cannot be parsed, or reads a relation outside the project.
    """
    try:
        tree = as_tree(sql, dialect)
    except SqlglotError as error:
        raise UnsupportedProject(
            f"The compiled SQL of {model} cannot be parsed, so it cannot be mutated: {error}"
        ) from error
    for text in list(tree.find_all(exp.ByteString)):
        # e'\x0b' is written back as e'\v', which PostgreSQL reads as the letter v. A plain literal holds any character.
        text.replace(exp.Literal.string(text.this))
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if not table.db and (_is_of_the_system(table) or table.name.lower() in ctes):
            continue
        if (table.db, table.name) not in names:
            raise UnsupportedProject(
                f"{model} reads {table.sql(dialect)}, which is not a model, seed or source of the project."
            )
        local = exp.Table(this=exp.to_identifier(MARK + names[table.db, table.name], quoted=True))
        local.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.replace(local)
    return tree


def _is_of_the_system(table: exp.Table) -> bool:
    """Whether a relation without a schema is a function or part of the catalog."""
    return not isinstance(table.this, exp.Identifier) or table.name.lower().startswith("pg_")


def generate(tree: exp.Expr, dialect: str = REFERENCE) -> str:
    """Write the tree as an engine's SQL."""
    return tree.sql(dialect)


def scope_of(tree: exp.Expr, describe: Callable[[str], Columns], dialect: str = REFERENCE) -> Scope:
    """Look up the columns of all relations that the tree's selects read, in the database.

    Args:
        tree: a model's SQL.
        describe: returns names and types of the columns of a query.
        dialect: the engine whose SQL it is.
    """
    ctes: list[exp.CTE] = tree.ctes if isinstance(tree, exp.Query) else []
    known: dict[str, Columns] = {}
    for number, cte in enumerate(ctes):
        known[cte.alias] = describe(_with(ctes[: number + 1], _all_of(cte.alias, dialect), dialect))
    relations: dict[int, dict[str, Columns]] = {}
    for select in tree.find_all(exp.Select):
        sources = [source for source in (select.args.get("from_"), *(select.args.get("joins") or [])) if source]
        found = {}
        for source in sources:
            relation = source.this
            if isinstance(relation, exp.Table) and relation.name in known:
                found[relation.alias_or_name] = known[relation.name]
            elif isinstance(relation, exp.Table) and relation.name.startswith(MARK):
                found[relation.alias_or_name] = describe(_all_of(relation.name, dialect))
            elif isinstance(relation, exp.Subquery) and not source.args.get("lateral"):
                found[relation.alias_or_name] = describe(
                    _with(ctes, exp.select("*").from_(relation.copy()).sql(dialect), dialect)
                )
        relations[id(select)] = found
    return Scope(relations)


def _all_of(name: str, dialect: str) -> str:
    return exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True))).sql(dialect)


def all_of(name: str) -> str:
    """A query of all rows of a model, seed or source, by its local name."""
    return _all_of(MARK + name, REFERENCE)


def _with(ctes: list[exp.CTE], query: str, dialect: str) -> str:
    return f"with {', '.join(cte.sql(dialect) for cte in ctes)} {query}" if ctes else query
