"""Builds a project from its input seeds, batch by batch."""

from dataclasses import dataclass

from angiogram.core.findings import Notice
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.judge.build.batches import Batches
from angiogram.judge.build.early_ends import SEEDS, forget_early_ends
from angiogram.warehouse.engines.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class SeedBuild:
    """A build from the input seeds.

    Attributes:
        builds: the build result of each node.
        last_batch: the batch that completes the input.
        notices: what the batches leave untested.
    """

    builds: Builds
    last_batch: int
    notices: list[Notice]


def build(database: Warehouse, project: Project) -> SeedBuild:
    """Load all seeds and build all models, batch by batch.

    Args:
        database: a session of the project's profile, in autocommit. None of the dye's tables exists.
        project: the project, which takes the dye from the seeds.

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
    forget_early_ends(project, builds)
    return SeedBuild(builds, last, batches.notices())
