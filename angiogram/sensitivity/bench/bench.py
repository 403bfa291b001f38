"""The bench: a database session that holds the project's tables and runs mutants.

It holds each table after each batch. All tables are temporary, so nothing is left behind even if the process is killed.
"1:orders" is the table after batch 1. A mutant's own tables are called "new 1:orders" and made in a transaction that is
rolled back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import NotReady, UnmutatedFails
from angiogram.judge.cause.incremental import Incremental
from angiogram.judge.cause.merge import merge_statements
from angiogram.judge.cause.tables import Table, create
from angiogram.sensitivity.bench.equality import Shape, differs, shape_of
from angiogram.sensitivity.compiled import Compiled, Model
from angiogram.sensitivity.mutants.mutants import Mutant, Variant, original
from angiogram.sensitivity.mutants.trees import MARK
from angiogram.sensitivity.operators.kinds import Columns

TIMEOUT_MS = 10_000
"""A mutant that takes longer counts as seen, as anyone would see a model that never ends."""

_LOCAL_NAME = re.compile(f'"{MARK}([^"]+)"')


class Unbuilt(UnmutatedFails):
    """The unmutated project fails on its input. A retry helps only with other input."""


class SchemaChanged(Exception):
    """An increment's columns differ from its table's, and the model says that dbt must fail."""


class Stillborn(Exception):
    """PostgreSQL refuses the mutant whatever the data, so nobody could merge such a mistake.

    It refuses the statement of a model, or the row of a seed.
    """


class CannotBuild(Exception):
    """A model fails on the data because of the mutant or of what the mutant made.

    Attributes:
        model: the model.
        how: fails or timeout.
    """

    def __init__(self, model: str, how: str) -> None:
        super().__init__(f"{model} {how}")
        self.model = model
        self.how = how


@dataclass(frozen=True, slots=True)
class Check:
    """A check of another kind than the comparison with expected seeds.

    Attributes:
        kind: the kind under which it is counted.
        query: finds rows if the check fails. Relations have their local names.
        reads: names of the models that it reads.
    """

    kind: str
    query: str
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class MutantOutcome:
    """The result of a mutant on the bench.

    Attributes:
        seen_by: the model whose check saw it. None if none did.
        how: differs, fails, timeout, survived or stillborn.
        surroundings: the surroundings that show it, if the usual ones do not.
    """

    seen_by: str | None
    how: str
    surroundings: str | None = None


class Bench:
    """A session with the project's tables. Threads must not share it."""

    def __init__(
        self,
        database: connection,
        project: Compiled,
        tables: Iterable[Table],
        time_zone: str | None = None,
        against_expected: bool = True,
        originals: Mapping[str, Variant] | None = None,
    ) -> None:
        """Load the tables and build every model on them, unmutated.

        Args:
            database: a connection for the bench alone, not in autocommit.
            project: the project.
            tables: everything that models read and no model makes.
            time_zone: the session's time zone. None: the role's own.
            against_expected: whether mutants are compared with the expected seeds, or else with the unmutated models.
            originals: the unmutated models, if they are parsed already.

        Raises:
            Unbuilt: a table cannot be filled, or a model cannot be built on the tables.
            NotReady: the connection ended.
        """
        self._database = database
        self._query: cursor = database.cursor()
        self.project = project
        self._tables = {table.name: table for table in tables}
        self._given = "the dye" if against_expected else "random input"
        self.batches = max((len(table.batches) for table in self._tables.values()), default=1)
        self.originals = originals or {model.name: original(project, model) for model in project.models.values()}
        self._shapes: dict[str, Shape] = {}
        self._query.execute("discard temporary")
        self._query.execute("set client_min_messages to error")
        if time_zone:
            self._query.execute("select set_config('TimeZone', %s, false)", (time_zone,))
        for table in self._tables.values():
            with self._making(table.name):
                for batch in self._needed(table.name):
                    create(self._query, f"{batch}:{table.name}", table, table.after(batch))
        for model in project.models.values():
            with self._making(model.name):
                self._build(model, self.originals[model.name], "", frozenset())
            if model.expected:
                expected = f"{self.batches}:{model.name}"
                if against_expected:
                    expected = f"expected:{model.name}"
                    with self._making(f"the expected seed of {model.name}"):
                        create(self._query, expected, model.expected, model.expected.after(self.batches))
                self._shapes[model.name] = replace(
                    shape_of(self._query, expected, project.excluded),
                    where=model.where,
                    own_where=None if against_expected else model.where,
                )
        self._query.execute("analyze")
        database.commit()
        self._query.execute(sql.SQL("set statement_timeout to {}").format(sql.Literal(TIMEOUT_MS)))
        database.commit()

    @contextmanager
    def _making(self, name: str) -> Iterator[None]:
        """Raise Unbuilt with the name of what the unmutated project fails on.

        The session stays usable.
        """
        try:
            yield
        except (psycopg2.Error, SchemaChanged) as error:
            why = f"{name} cannot be built on {self._given}: {str(error).strip()}"
            if self._database.closed:
                raise NotReady(why) from error
            self._database.rollback()
            raise Unbuilt(why) from error

    def unequal_models(self) -> list[str]:
        """Models that differ from their expected seed although nothing is mutated."""
        found = [name for name, shape in self._shapes.items() if differs(self._query, f"{self.batches}:{name}", shape)]
        self._database.rollback()
        return found

    def made(self) -> list[str | None]:
        """Hashes of the compared output of the unmutated models.

        They do not depend on the session's time zone.
        """
        self._query.execute("select set_config('TimeZone', 'UTC', true)")
        hashes = []
        for name, shape in self._shapes.items():
            relation = sql.Identifier("pg_temp", f"{self.batches}:{name}")
            self._query.execute(
                sql.SQL(
                    "select md5(string_agg(row_made, ',' order by row_made))"
                    " from (select (to_jsonb(r) - {}::text[])::text as row_made from {} as r where\n{}\n) as made"
                ).format(sql.Literal(list(shape.excluded)), relation, sql.SQL(shape.where or "true"))
            )
            hashes.append(self._query.fetchall()[0][0])
        self._database.rollback()
        return hashes

    def describe(self, query: str) -> Columns:
        """Names and types of a query's columns. Its relations have their local names."""
        located = sql.SQL(self._located(query, self.batches, frozenset()))
        self._query.execute(sql.SQL("select * from ({}) as described limit 0").format(located))
        columns = tuple((column.name, str(column.type_code)) for column in self._query.description or ())
        self._database.rollback()
        return columns

    def run(self, mutant: Mutant) -> MutantOutcome:
        """Run a mutant and the models downstream of it until a check sees it."""
        try:
            for model in self._rebuilt(mutant):
                shape = self._shapes.get(model)
                try:
                    if shape and differs(self._query, f"new {self.batches}:{model}", shape):
                        return MutantOutcome(model, "differs")
                except (psycopg2.ProgrammingError, psycopg2.DataError):  # the `where` of the test fails
                    return MutantOutcome(model, "fails")
            return MutantOutcome(None, "survived")
        except Stillborn:
            return MutantOutcome(None, "stillborn")
        except CannotBuild as failure:
            return MutantOutcome(failure.model, failure.how)
        finally:
            self._database.rollback()

    def failing(self, mutant: Mutant, checks: Iterable[Check]) -> set[str]:
        """Run a mutant and everything downstream of it. Return the kinds of checks that fail.

        If a model cannot be built, all of them fail. Checks on what the mutant does not reach are left out.
        """
        checks = list(checks)
        try:
            changed = frozenset(self._rebuilt(mutant)) | ({mutant.node} if mutant.table else set())
            failed: set[str] = set()
            for check in checks:
                if check.kind not in failed and changed.intersection(check.reads):
                    failed |= {check.kind} if self._finds_rows(check.query, changed) else set()
            return failed
        except CannotBuild:
            return {check.kind for check in checks}
        finally:
            self._database.rollback()

    def failing_unmutated(self, checks: Iterable[Check]) -> set[str]:
        """The kinds of checks that fail although nothing is mutated."""
        found = {check.kind for check in checks if self._finds_rows(check.query, frozenset())}
        self._database.rollback()
        return found

    def _finds_rows(self, query: str, changed: frozenset[str]) -> bool:
        self._query.execute("savepoint before_check")
        try:
            located = sql.SQL(self._located(query, self.batches, changed))
            self._query.execute(sql.SQL("select exists (select from ({}) as found)").format(located))
            return bool(self._query.fetchall()[0][0])
        except (psycopg2.ProgrammingError, psycopg2.DataError):  # a check that cannot be run counts as failed
            self._query.execute("rollback to savepoint before_check")
            return True

    def _rebuilt(self, mutant: Mutant) -> Iterator[str]:
        """Build the mutant and what is downstream of it, and yield each model that is rebuilt.

        The readers of a model that comes out unchanged are not rebuilt.

        Raises:
            Stillborn: PostgreSQL refuses the mutant's statement, or its row of a seed.
            CannotBuild: a model fails on the data.
        """
        changed: frozenset[str] = frozenset()
        chain = self.project.downstream(mutant.node)
        if mutant.table is not None:
            changed = frozenset({mutant.node})
            try:
                for batch in self._needed(mutant.node):
                    create(self._query, f"new {batch}:{mutant.node}", mutant.table, mutant.table.after(batch))
            except (psycopg2.DataError, psycopg2.IntegrityError) as error:
                raise Stillborn from error
        else:
            chain = [self.project.models[mutant.node], *chain]
        for model in chain:
            is_mutated = model.name == mutant.node and mutant.variant is not None
            if not is_mutated and not changed.intersection(model.reads):
                continue
            variant = mutant.variant if is_mutated and mutant.variant else self.originals[model.name]
            try:
                self._build(model, variant, "new ", changed)
            except errors.QueryCanceled as error:
                raise CannotBuild(model.name, "timeout") from error
            except (psycopg2.ProgrammingError, psycopg2.NotSupportedError) as error:
                if is_mutated and not isinstance(error, errors.CardinalityViolation):
                    raise Stillborn from error
                raise CannotBuild(model.name, "fails") from error
            except (SchemaChanged, psycopg2.DataError, psycopg2.IntegrityError, psycopg2.InternalError) as error:
                raise CannotBuild(model.name, "fails") from error
            yield model.name
            if self._changes_anything(model):
                changed |= {model.name}

    def _changes_anything(self, model: Model) -> bool:
        """Whether a rebuilt model differs from the unmutated one after any batch.

        Run-dependent columns count too.
        """
        return any(
            differs(self._query, f"new {batch}:{model.name}", shape_of(self._query, f"{batch}:{model.name}", ()))
            for batch in self._needed(model.name)
        )

    def _build(self, model: Model, variant: Variant, prefix: str, changed: frozenset[str]) -> None:
        """Build a model after each batch, as dbt's materialization does."""
        for batch in self._needed(model.name):
            name = sql.Identifier(f"{prefix}{batch}:{model.name}")
            if variant.later is None or batch == 1:
                query = self._located(variant.sql, batch, changed)
                self._query.execute(sql.SQL("create temporary table {} as ").format(name) + sql.SQL(query))
                continue
            before = sql.Identifier(f"{prefix}{batch - 1}:{model.name}")
            self._query.execute(sql.SQL("create temporary table {} as table {}").format(name, before))
            own = changed | {model.name} if prefix else changed
            self._take_in(f"{prefix}{batch}:{model.name}", variant.later, self._located(variant.later.sql, batch, own))

    def _take_in(self, target: str, later: Incremental, query: str) -> None:
        """Add an increment to the table, as dbt's incremental strategies do."""
        self._query.execute("drop table if exists pg_temp.increment")
        self._query.execute("create temporary table increment as " + query)
        increment, table = shape_of(self._query, "increment", ()), shape_of(self._query, target, ())
        names = [name for name, _ in table.columns]
        if later.on_schema_change == "fail" and increment.columns != table.columns:
            raise SchemaChanged("later batches have other columns than the table, and on_schema_change is fail")
        for statement in merge_statements(target, names, later):
            self._query.execute(statement)

    def _needed(self, node: str) -> range:
        """The batches after which a node's table is needed.

        This is the last one alone, unless an incremental model is or reads the node.
        """
        model = self.project.models.get(node)
        readers = [*([model] if model else []), *self.project.downstream(node)]
        return range(1 if any(reader.incremental for reader in readers) else self.batches, self.batches + 1)

    def _located(self, query: str, batch: int, changed: frozenset[str]) -> str:
        """Replace local names in a query by tables after a batch.

        For what the mutant changed, these are its own tables.
        """

        def table(match: re.Match[str]) -> str:
            name = match[1]
            return f'"{"new " if name in changed else ""}{batch}:{name}"'

        return _LOCAL_NAME.sub(table, query)
