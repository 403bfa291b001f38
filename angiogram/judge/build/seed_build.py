"""A project built from its input seeds, batch by batch."""

from dataclasses import dataclass

from psycopg2.extensions import connection

from angiogram.core.findings import Notice
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.judge.build.batches import Batches

SEEDS = 0
"""The batch that the seeds count to: they are loaded whole before the first one."""


@dataclass(frozen=True, slots=True)
class SeedBuild:
    """A build from the input seeds.

    Attributes:
        builds: what became of each node.
        last_batch: the batch after which all has come.
        notices: what the batches leave untested.
    """

    builds: Builds
    last_batch: int
    notices: list[Notice]


def build(database: connection, project: Project) -> SeedBuild:
    """Load all seeds and build all models, batch by batch.

    Args:
        database: a session of the project's profile, in autocommit; none of the dye's tables is there.
        project: with the dye taken from the seeds.

    Raises:
        DbtFailed: dbt ended before it built anything.
    """
    builds = Builds()
    builds.add(SEEDS, project.load_seeds())
    batches = Batches(database, project)
    last = SEEDS
    for batch in batches:
        builds.add(batch, project.run_models(anew=last == SEEDS))
        last = batch
    return SeedBuild(builds, last, batches.notices())
