"""A database for each module, and the dye built in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.services import Sandbox
from tests.dbt.project import DbtProject, DbtRun, copy_of_project
from tests.services import new_database


@dataclass(frozen=True)
class Built:
    """A copy of the project after a build of the dye from its input seeds."""

    project: DbtProject
    run: DbtRun


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A new database of the module's own, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.fixture(scope="module")
def project(database: str, tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """A copy of the project with the stand-in for dbt_utils, whose models go to the module's database."""
    return copy_of_project(tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="module")
def built(project: DbtProject) -> Built:
    """The dye, both batches at once, built and compared; the session's time zone is far from UTC."""
    return Built(project, project.run("build", "--target", "angiogram", PGTZ="Asia/Kathmandu"))
