"""The bench: a database session that holds the project's tables and runs mutants.

It holds each table after each batch. All tables are temporary, so nothing is left behind even if the process is killed.
"1:orders" is the table after batch 1. A mutant's own tables are called "new 1:orders", and undone after it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from angiogram.core.errors import NotReady, UnmutatedFails
from angiogram.judge.cause.incremental import Incremental
from angiogram.judge.cause.merge import INCREMENT, merge_statements
from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.unequal import difference
from angiogram.sensitivity.compiled import Compiled, Model
from angiogram.sensitivity.mutants.mutants import Mutant, Variant, original
from angiogram.sensitivity.mutants.trees import MARK
from angiogram.warehouse.engines.scratch import (
    Columns,
    FailsOnData,
    RefusedAlways,
    Scratch,
    ScratchError,
    Shape,
    TakesTooLong,
    TextRow,
)

_LOCAL_NAME = re.compile(f'"{MARK}([^"]+)"')


class Unbuilt(UnmutatedFails):
    """The unmutated project fails on its input. A retry helps only with other input."""


class SchemaChanged(Exception):
    """An increment's columns differ from its table's, and the model says that dbt must fail."""


class Stillborn(Exception):
    """The engine refuses the mutant whatever the data, so nobody could merge such a mistake.

    It refuses the statement of a model, or the row of a seed.
    """


class _SeenEarly(Exception):
    """A batch leaves a row that is not expected, and no later batch takes rows away.

    Attributes:
        model: the model that has the row.
    """

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model


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
        session: Scratch,
        project: Compiled,
        tables: Iterable[Table],
        time_zone: str | None = None,
        against_expected: bool = True,
        originals: Mapping[str, Variant] | None = None,
    ) -> None:
        """Load the tables and build every model on them, unmutated.

        Args:
            session: a session for the bench alone.
            project: the project.
            tables: everything that models read and no model makes.
            time_zone: the session's time zone. None: its own.
            against_expected: whether mutants are compared with the expected seeds, or else with the unmutated models.
            originals: the unmutated models, if they are parsed already.

        Raises:
            Unbuilt: a table cannot be filled, or a model cannot be built on the tables.
            NotReady: the session ended.
        """
        self._session = session
        self.project = project
        self._tables = {table.name: table for table in tables}
        self._given = "the dye" if against_expected else "random input"
        self.batches = max((len(table.batches) for table in self._tables.values()), default=1)
        self.originals = originals or {model.name: original(project, model) for model in project.models.values()}
        self._expected: dict[str, Shape] = {}
        self._unmutated: dict[str, Shape] = {}
        session.begin(time_zone)
        for table in self._tables.values():
            with self._making(table.name):
                for batch in self._needed(table.name):
                    session.fill(f"{batch}:{table.name}", table.typed, table.after(batch))
        for model in project.models.values():
            with self._making(model.name):
                self._build(model, self.originals[model.name], "", frozenset())
                for batch in self._needed(model.name):
                    name = f"{batch}:{model.name}"
                    self._unmutated[name] = session.shape(name)
            if model.expected:
                expected, own_where = f"{self.batches}:{model.name}", model.where
                if against_expected:
                    expected, own_where = f"expected:{model.name}", None
                    with self._making(f"the expected seed of {model.name}"):
                        session.fill(expected, model.expected.typed, model.expected.after(self.batches))
                with self._making(model.name):
                    self._expected[model.name] = session.shape(
                        expected, project.excluded, model.where, own_where, model.how
                    )
        session.settle()

    @contextmanager
    def _making(self, name: str) -> Iterator[None]:
        """Raise Unbuilt with the name of what the unmutated project fails on.

        The session stays usable.
        """
        try:
            yield
        except (ScratchError, SchemaChanged, NotReady) as error:
            why = f"{name} cannot be built on {self._given}: {str(error).strip()}"
            if isinstance(error, NotReady):
                raise NotReady(why) from error
            self._session.undo()
            raise Unbuilt(why) from error

    def unequal_models(self) -> list[str]:
        """Models that differ from their expected seed although nothing is mutated."""
        found = [
            name
            for name, expected in self._expected.items()
            if self._session.differs(f"{self.batches}:{name}", expected)
        ]
        self._session.undo()
        return found

    def difference(self, name: str) -> str:
        """Where a model differs from its expected seed, as a sentence."""
        key = self.project.models[name].key
        found = difference(self._session, f"{self.batches}:{name}", self._expected[name], key)
        self._session.undo()
        return found

    def made(self) -> list[str | None]:
        """Hashes of the compared output of the unmutated models.

        They do not depend on the session's time zone.
        """
        hashes = [
            self._session.digest(
                self._session.shape(f"{self.batches}:{name}", expected.excluded, None, expected.where, expected.how)
            )
            for name, expected in self._expected.items()
        ]
        self._session.undo()
        return hashes

    def describe(self, query: str) -> Columns:
        """Names and types of a query's columns. Its relations have their local names."""
        columns = self._session.describe(self._located(query, self.batches, frozenset()))
        self._session.undo()
        return columns

    def ask(self, query: str, batch: int) -> list[TextRow]:
        """The first row of a query of texts, on the tables after a batch."""
        try:
            return self._session.rows(self._located(query, batch, frozenset()), 1)
        finally:
            self._session.undo()

    def run(self, mutant: Mutant) -> MutantOutcome:
        """Run a mutant and the models downstream of it until a check sees it."""
        try:
            for model in self._rebuilt(mutant, until_seen=True):
                expected = self._expected.get(model)
                try:
                    if expected and self._session.differs(f"new {self.batches}:{model}", expected):
                        return MutantOutcome(model, "differs")
                except (RefusedAlways, FailsOnData):  # the `where` of the test fails
                    return MutantOutcome(model, "fails")
            return MutantOutcome(None, "survived")
        except _SeenEarly as seen:
            return MutantOutcome(seen.model, "differs")
        except Stillborn:
            return MutantOutcome(None, "stillborn")
        except CannotBuild as failure:
            return MutantOutcome(failure.model, failure.how)
        finally:
            self._session.undo()

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
                    located = self._located(check.query, self.batches, changed)
                    failed |= {check.kind} if self._session.finds_rows(located) else set()
            return failed
        except CannotBuild:
            return {check.kind for check in checks}
        finally:
            self._session.undo()

    def failing_unmutated(self, checks: Iterable[Check]) -> set[str]:
        """The kinds of checks that fail although nothing is mutated."""
        found = {
            check.kind
            for check in checks
            if self._session.finds_rows(self._located(check.query, self.batches, frozenset()))
        }
        self._session.undo()
        return found

    def _rebuilt(self, mutant: Mutant, until_seen: bool = False) -> Iterator[str]:
        """Build the mutant and what is downstream of it, and yield each model that is rebuilt.

        The readers of a model that comes out unchanged are not rebuilt.

        Args:
            mutant: the mutant.
            until_seen: whether to stop where it is certain that a model will differ.

        Raises:
            Stillborn: the engine refuses the mutant's statement, or its row of a seed.
            CannotBuild: a model fails on the data.
            _SeenEarly: a model will differ.
        """
        changed: frozenset[str] = frozenset()
        chain = self.project.downstream(mutant.node)
        if mutant.table is not None:
            changed = frozenset({mutant.node})
            try:
                for batch in self._needed(mutant.node):
                    self._session.fill(f"new {batch}:{mutant.node}", mutant.table.typed, mutant.table.after(batch))
            except FailsOnData as error:
                raise Stillborn from error
        else:
            chain = [self.project.models[mutant.node], *chain]
        for model in chain:
            is_mutated = model.name == mutant.node and mutant.variant is not None
            if not is_mutated and not changed.intersection(model.reads):
                continue
            variant = mutant.variant if is_mutated and mutant.variant else self.originals[model.name]
            try:
                self._build(model, variant, "new ", changed, until_seen)
            except TakesTooLong as error:
                raise CannotBuild(model.name, "timeout") from error
            except RefusedAlways as error:
                if is_mutated:
                    raise Stillborn from error
                raise CannotBuild(model.name, "fails") from error
            except (SchemaChanged, FailsOnData) as error:
                raise CannotBuild(model.name, "fails") from error
            yield model.name
            if self._changes_anything(model):
                changed |= {model.name}

    def _changes_anything(self, model: Model) -> bool:
        """Whether a rebuilt model differs from the unmutated one after any batch.

        Run-dependent columns count too.
        """
        return any(
            self._session.differs(f"new {batch}:{model.name}", self._unmutated[f"{batch}:{model.name}"])
            for batch in self._needed(model.name)
        )

    def _build(
        self, model: Model, variant: Variant, prefix: str, changed: frozenset[str], until_seen: bool = False
    ) -> None:
        """Build a model after each batch, as dbt's materialization does."""
        for batch in self._needed(model.name):
            name = f"{prefix}{batch}:{model.name}"
            if variant.later is not None and batch > 1:
                self._session.copy(name, f"{prefix}{batch - 1}:{model.name}")
                own = changed | {model.name} if prefix else changed
                self._take_in(name, variant.later, self._located(variant.later.sql, batch, own))
            elif prefix and variant.later is not None and self._is_as_ever(model, variant, changed):
                self._session.copy(name, f"{batch}:{model.name}")
                continue
            else:
                self._session.make(name, self._located(variant.sql, batch, changed))
            if until_seen and batch < self.batches and self._will_differ(model, variant, name):
                raise _SeenEarly(model.name)

    def _is_as_ever(self, model: Model, variant: Variant, changed: frozenset[str]) -> bool:
        """Whether the first batch of an incremental model comes out as it does unmutated."""
        return variant.sql == self.originals[model.name].sql and not changed.intersection(model.reads)

    def _will_differ(self, model: Model, variant: Variant, name: str) -> bool:
        """Whether a table has a row that is not expected and that no later batch takes away.

        A mistake in later batches alone is left to them, for the engine may refuse it.
        """
        expected, later = self._expected.get(model.name), variant.later
        if expected is None or later is None or (later.strategy != "append" and later.unique_key):
            return False
        if variant.sql == self.originals[model.name].sql and variant != self.originals[model.name]:
            return False
        try:
            return self._session.has_stranger(name, expected)
        except (RefusedAlways, FailsOnData) as error:  # the `where` of the test fails
            raise CannotBuild(model.name, "fails") from error

    def _take_in(self, target: str, later: Incremental, query: str) -> None:
        """Add an increment to the table, as dbt's incremental strategies do."""
        session = self._session
        session.make_again(INCREMENT, query)
        columns = session.columns(target)
        if later.on_schema_change == "fail" and session.columns(INCREMENT) != columns:
            raise SchemaChanged("later batches have other columns than the table, and on_schema_change is fail")
        for statement in merge_statements(target, [name for name, _ in columns], later, session.temporary_schema):
            session.run(statement)

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
