"""pytest plugin: `pytest --angiogram` tests each model of the dbt project with the dye.

The models are built once from the input seeds, as by `angiogram run --from-seeds`, when the first of the tests runs.
Comes in with the option; goes out as a test for each watched model, seed and snapshot, and one for the verdict, which
fails for what is no model's alone. The project is the one that the command `angiogram` finds.
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from angiogram.report.pages.junit import Case

_OPTION, _TARGET = "--angiogram", "--angiogram-target"
_PROJECT = pytest.StashKey[Any]()
_FOUND = pytest.StashKey["dict[str, list[Case]]"]()
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
    from angiogram.dbt.project import Project
    from ingestion.errors import IngestionError

    try:
        project = Project(dye_source="seeds", target=config.getoption(_TARGET))
        names = [name for name, node in project.nodes.items() if node.expected_relation]
    except (AngiogramError, IngestionError) as error:
        raise pytest.UsageError(f"{_OPTION}: {error}") from error
    config.stash[_PROJECT] = project
    items += [ModelTest.from_parent(session, name=f"angiogram::{name}", stage=name) for name in [*names, VERDICT]]


class NotAsExpected(Exception):
    """What the dye found, in the words of the report."""


class ModelTest(pytest.Item):
    """The test of one watched model, or of the verdict."""

    def __init__(self, *, stage: str, **of_pytest: Any) -> None:
        """Take the name of the model, or VERDICT."""
        super().__init__(**of_pytest)
        self.stage = stage

    def runtest(self) -> None:
        """Build and judge the models, unless another of these tests has done it.

        Raises:
            NotAsExpected: the model is not what its expected seed says.
            AngiogramError, IngestionError: the models cannot be built from the dye.
        """
        mine = self._cases().get(self.stage, [])
        told = [
            "\n".join([f"{case.kind}:{case.name}: {case.summary}", *([case.text] if case.text else [])])
            for case in mine
            if case.outcome in ("failure", "error")
        ]
        if told:
            raise NotAsExpected("\n\n".join(told))
        if mine and all(case.outcome == "skipped" for case in mine):
            pytest.skip(mine[0].summary)

    def _cases(self) -> "dict[str, list[Case]]":
        """The cases by the test that they belong to."""
        stash = self.session.stash
        if _FOUND not in stash:
            from angiogram.judge.from_seeds import run_from_seeds
            from angiogram.report.pages.junit import cases

            tests = {item.stage for item in self.session.items if isinstance(item, ModelTest)}
            found = stash[_FOUND] = {}
            for case in cases(run_from_seeds(self.config.stash[_PROJECT])):
                is_models = case.kind in ("model", "seed", "snapshot") and case.name in tests
                found.setdefault(case.name if is_models else VERDICT, []).append(case)
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
