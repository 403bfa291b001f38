"""pytest plugin: `pytest --angiogram` tests each model of the dbt project with the dye.

The models are built once from the input seeds, as by `angiogram run --from-seeds`, when the first of the tests runs.
Comes in with the option; goes out as a test for each watched model, seed and snapshot, and one for the verdict, which
fails for what is no model's alone. The project is the one that the command `angiogram` finds.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from angiogram.report.pages.junit import Case

_OPTION, _TARGET = "--angiogram", "--angiogram-target"
_FOUND = pytest.StashKey["list[Case]"]()
VERDICT = "verdict"
"""The name of the test of all that is no watched model's."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("angiogram")
    group.addoption(
        _OPTION, action="store_true", help="Also test the dbt project's models with the dye, from the input seeds."
    )
    group.addoption(
        _TARGET, metavar="TARGET", help="Dye target of the dbt profile. Default: the first of the variable dye_targets."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot work: the models are built once, in one process."""
    if config.getoption(_OPTION) and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"{_OPTION} builds the models in one process: give it a call of its own, without -n.")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the models."""
    if not config.getoption(_OPTION):
        return
    from angiogram.core.errors import AngiogramError
    from ingestion.errors import IngestionError

    try:
        names = list(_watched(config))
    except (AngiogramError, IngestionError) as error:
        raise pytest.UsageError(f"{_OPTION}: {error}") from error
    items += [ModelTest.from_parent(session, name=f"angiogram::{name}", stage=name) for name in [*names, VERDICT]]


def _project(config: pytest.Config) -> Any:
    from angiogram.dbt.project import Project

    return Project(dye_source="seeds", target=config.getoption(_TARGET))


def _watched(config: pytest.Config) -> Iterable[str]:
    """The names of what is compared with an expected seed."""
    project = _project(config)
    return (name for name, node in project.nodes.items() if node.expected_relation)


class NotAsExpected(Exception):
    """What the dye found, in the words of the report."""


class ModelTest(pytest.Item):
    """The test of one watched model, or of the verdict."""

    def __init__(self, *, stage: str, **of_pytest: Any) -> None:
        """Take the name of the model, or VERDICT."""
        super().__init__(**of_pytest)
        self._stage = stage

    def runtest(self) -> None:
        """Build and judge the models, unless another of these tests has done it.

        Raises:
            NotAsExpected: the model is not what its expected seed says.
            AngiogramError, IngestionError: the models cannot be built from the dye.
        """
        mine = [case for case in self._cases() if self._is_mine(case)]
        told = [
            "\n".join([f"{case.kind}:{case.name}: {case.summary}", *([case.text] if case.text else [])])
            for case in mine
            if case.outcome in ("failure", "error")
        ]
        if told:
            raise NotAsExpected("\n\n".join(told))
        if mine and all(case.outcome == "skipped" for case in mine):
            pytest.skip(mine[0].summary)

    def _is_mine(self, case: "Case") -> bool:
        is_models = case.kind in ("model", "seed", "snapshot") and f"angiogram::{case.name}" in self._others()
        return case.name == self._stage if is_models else self._stage == VERDICT

    def _others(self) -> set[str]:
        return {item.name for item in self.session.items if isinstance(item, ModelTest)} | {self.name}

    def _cases(self) -> "list[Case]":
        stash = self.session.stash
        if _FOUND not in stash:
            from angiogram.judge.from_seeds import run_from_seeds
            from angiogram.report.pages.junit import cases

            stash[_FOUND] = list(cases(run_from_seeds(_project(self.config))))
        return stash[_FOUND]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what the dye found, without a traceback."""
        from angiogram.core.errors import AngiogramError
        from ingestion.errors import IngestionError

        if isinstance(excinfo.value, NotAsExpected | AngiogramError | IngestionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the test is: the project's folder."""
        from angiogram.dbt.project_file import project_directory

        return project_directory(), None, self.name
