"""Builds selected models, on the expected seeds of what they read."""

from collections.abc import Collection

from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.dye.seeds import DyeMessage, has_dye, read_dye
from angiogram.judge.build.batches import Batches
from angiogram.judge.build.early_ends import SEEDS, forget_early_ends
from angiogram.judge.build.seed_build import SeedBuild
from angiogram.judge.cause.right_tables import RightTables
from angiogram.judge.selected.feed import Feeding, accepted_columns
from angiogram.judge.selected.plan import keeps_state, planned, with_seeds
from angiogram.warehouse.engines.protocol import Warehouse


def build_selected(database: Warehouse, project: Project, selected: Collection[str]) -> SeedBuild:
    """Load the seeds, fill the tables that selected models read, and build these models.

    What keeps rows of earlier batches takes the dye batch by batch. Otherwise all batches are taken at once.

    Args:
        database: a session of the project's profile, in autocommit. None of the dye's tables exists.
        project: the project, which takes the dye from the seeds. Its part is set.
        selected: dbt's IDs of the selected models and snapshots.

    Raises:
        DbtFailed: dbt ended before it built anything.
        SeedError: the dye cannot be read.
        InvalidSurface: the accepted surface cannot be read.
    """
    builds = Builds()
    project.part = with_seeds(project, selected)
    builds.add(SEEDS, project.load_seeds())
    with database.cursor() as query:
        tables = RightTables(query, project, _messages(project), ())
        feed = Feeding(project, query, tables, accepted_columns(project))
        feed.begin()
        project.part = planned(project, project.part, feed)
        batches = Batches(database, project)
        last = SEEDS
        for batch in batches if keeps_state(project, project.part) else [tables.last_batch()]:
            builds.add_results(batch, feed.fill(batch))
            builds.add(batch, project.run_models(anew=last == SEEDS))
            last = batch
        feed.end()
    forget_early_ends(project, builds)
    return SeedBuild(builds, last, batches.notices())


def _messages(project: Project) -> list[DyeMessage]:
    return list(read_dye(project.directory)) if has_dye(project.directory) else []
