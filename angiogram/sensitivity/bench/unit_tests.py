"""Runs the project's dbt unit tests with a mutant in place of the model.

The tests are rendered once, with their fixtures as tables.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.command import run_in_scratch
from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.mutants.trees import MARK
from angiogram.warehouse.engines.scratch import Scratch, ScratchError

_INPUT = re.compile(r"""(?:ref|source)\(\s*(?:['"](\w+)['"]\s*,\s*)?['"](\w+)['"]\s*\)""")
_LOCAL_NAME = re.compile(f'"{MARK}([^"]+)"')


@dataclass(frozen=True, slots=True)
class _UnitTest:
    """A unit test of a model: its input tables and its expected table.

    Tables have the names that they have on the bench.
    """

    model: str
    is_incremental: bool
    inputs: dict[str, str]
    expected: str
    columns: tuple[str, ...]


class UnitTests:
    """All unit tests of a project, in the session of a bench.

    Columns that a fixture leaves out take their types from the bench's tables.
    """

    def __init__(self, directory: Path, target: str | None, session: Scratch, bench: Bench) -> None:
        """Read the unit tests and make tables of their fixtures.

        Args:
            directory: the project's folder.
            target: the dbt target under which they are enabled. None: the profile's default.
            session: the bench's session.
            bench: the bench with the tables whose columns the fixtures have.
        """
        self._session = session
        self._bench = bench
        found = run_in_scratch(directory, ["parse"], target).unit_tests.values()
        self._tests = [self._prepared(number, test) for number, test in enumerate(found)]
        session.settle()

    def unequal(self) -> list[str]:
        """Models whose unit tests fail although nothing is mutated."""
        return [
            test.model
            for test in self._tests
            if self._fails(test, self._bench.originals[test.model].sql, self._later(test, None))
        ]

    def see(self, mutant: Mutant) -> bool:
        """Whether a unit test of the mutant's model fails with the mutant in place of the model."""
        return mutant.variant is not None and any(
            self._fails(test, mutant.variant.sql, self._later(test, mutant))
            for test in self._tests
            if test.model == mutant.node
        )

    def _later(self, test: _UnitTest, mutant: Mutant | None) -> str | None:
        variant = mutant.variant if mutant and mutant.variant else self._bench.originals[test.model]
        return variant.later.sql if variant.later and test.is_incremental else None

    def _fails(self, test: _UnitTest, first: str, later: str | None) -> bool:
        query = _LOCAL_NAME.sub(lambda match: f'"{test.inputs.get(match[1], match[0])}"', later or first)
        columns = ", ".join(exp.to_identifier(name, quoted=True).sql(self._session.dialect) for name in test.columns)
        actual = f"select {columns} from ({query}) as actual"  # noqa: S608  the project's own SQL
        expected = f'select {columns} from "{test.expected}"'  # noqa: S608
        try:
            return self._session.finds_rows(
                f"(({actual}) except all ({expected})) union all (({expected}) except all ({actual}))"
            )
        except ScratchError:  # dbt also fails a unit test whose SQL cannot be run
            return True
        finally:
            self._session.undo()

    def _prepared(self, number: int, test: Any) -> _UnitTest:
        inputs = {}
        for given in test.given:
            if given.input == "this":
                name = test.model
            elif match := _INPUT.fullmatch(given.input):
                name = f"{match[1]}.{match[2]}" if given.input.startswith("source") else match[2]
            else:
                raise UnsupportedProject(f"The unit test {test.name} has an input that does not exist: {given.input}.")
            inputs[name] = self._fixture(f"unit {number}:{name}", name, given.rows)
        rows = test.expect.rows
        macros = test.overrides.macros if test.overrides else {}
        return _UnitTest(
            model=test.model,
            is_incremental=bool(macros.get("is_incremental")),
            inputs=inputs,
            expected=self._fixture(f"unit {number}:expected", test.model, rows),
            columns=tuple(rows[0]),
        )

    def _fixture(self, table: str, like: str, rows: Any) -> str:
        """Make a table with the columns of another one. What the rows leave out is null."""
        self._session.fixture(table, f"{self._bench.batches}:{like}", rows)
        return table
