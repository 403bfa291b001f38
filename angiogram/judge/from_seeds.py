"""Runs any dbt project on its input seeds, without Kafka, an API or a loader.

The seeds are released batch by batch, so that incremental models are first built and then updated. After the last
batch, every model is compared with its expected seed. A blockage found here lies in dbt.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import connection

from angiogram.core.diagnose import OutputState, StageHealth, diagnose
from angiogram.core.findings import Finding, Notice
from angiogram.core.stage import WITH_OUTPUT, Stage, marked, stage_row
from angiogram.core.stage_id import StageId, from_json, loader_stage
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.judge.build.build_findings import build_findings
from angiogram.judge.build.node_stages import missing_stages, node_stages
from angiogram.judge.build.seed_build import SeedBuild, build
from angiogram.judge.cause.blame import Blame
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from angiogram.judge.guards import guards, live_columns, lost_views, production
from angiogram.judge.guards.changes import as_told
from angiogram.judge.guards.limits import too_slow
from angiogram.judge.guards.surface import Surface
from angiogram.judge.verdict import conclude
from angiogram.store.lease import WAIT, hold_tables
from angiogram.store.runs import Run, say_on_stderr
from angiogram.warehouse import ephemeral
from angiogram.warehouse.afresh import make_afresh
from angiogram.warehouse.sessions import open_sessions
from ingestion.settings.pipeline import pipeline


def run_from_seeds(project: Project, wait: float = WAIT, say: Callable[[str], None] = say_on_stderr) -> Run:
    """Build the project on its input seeds and judge it.

    Args:
        project: the project, opened with its dye taken from the seeds.
        wait: seconds to wait at most for others that hold the tables.
        say: receives messages about what the command waits for.

    Returns:
        The run with its report, as from angiogram.judge.verdict.judge. It is not stored.

    Raises:
        DbtFailed: dbt ended before it built anything.
        NotReady: the profile does not name a PostgreSQL server that lets its user in.
        UnsupportedProject: the macro `differences` is missing, or the project reads a source that the dye cannot enter.
        NotTheDyes: dbt would write live relations, or relations that the dye did not make.
        RunInHand: another run or build from the seeds outlasted the wait. None starts while the tables are built.
        TablesInUse: other sessions held tables of the last run for too long.
        SeedError: the dye cannot be read.
        InvalidSurface: the accepted surface cannot be read.
    """
    started_at, begun = datetime.now(UTC), time.perf_counter()
    project.parse()
    judged = _judged(project, wait, say) if project.can_be_built else _nothing_built(project)
    rows = [stage_row(name, judged.stages, judged.health[name], project.max_seconds(name)) for name in judged.stages]
    verdict = conclude(
        judged.health,
        judged.stages,
        [],
        more=[*build_findings(project, judged.built.builds, judged.health), *judged.findings],
        notices=[*judged.built.notices, *too_slow(rows), *judged.notices],
    )
    run_id = f"seeds-{started_at:%Y%m%dT%H%M%SZ}"
    report: dict[str, Any] = {
        "run_id": run_id,
        **verdict,
        "checkpoints": [],
        "stages": marked(rows, judged.findings),
        "differences": judged.differences,
        **judged.production,
        "seconds": round(time.perf_counter() - begun, 2),
        "seconds_by_step": {},
        "kept": False,
    }
    return Run(
        run_id=run_id,
        in_hand=False,
        batch=0,
        lease_until=None,
        owner=None,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        verdict=verdict["verdict"],
        blockage=from_json(verdict["blockage"]),
        report=report,
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was built, how it was judged, and the findings and notices beyond the outputs."""

    built: SeedBuild
    stages: dict[StageId, Stage]
    health: dict[StageId, StageHealth]
    findings: list[Finding]
    notices: list[Notice]
    differences: list[dict[str, Any]]
    production: dict[str, Any]
    """What production runs beside what the dye tested, for the report; empty if live builds keep no notes here."""


def _judged(project: Project, wait: float, say: Callable[[str], None]) -> _Judged:
    with tables_of(project, wait, say) as database:
        built = build(database, project)
        stages, health = Blame(database, project).judge(_stages(database, project, built))
        now = guards.present(database, project, [name for name, stage in stages.items() if stage.state in WITH_OUTPUT])
        findings, notices = guards.judge(project, now, stages, health)
        compared: dict[str, Any] = {}
        if production.is_noted(database):
            tested = production.compare(database, project.nodes, project.target, pipeline(project.directory).name)
            red, told = as_told(live_columns.changes(database, project.nodes, tested, health))
            findings, notices = [*findings, *red], [*tested.notices(), *notices, *told]
            compared = {"production": tested.report()}
        notices = [*notices, *lost_views.notices(database, pipeline(project.directory).name)]
        failed = {name for name, stage in stages.items() if stage.state is OutputState.FAILED}
        tracer = Tracer(database, project.nodes, {}, failed)
        differences = [
            tracer.told(name, stage.differences) for name, stage in stages.items() if stage.differences.count
        ]
    return _Judged(built, stages, health, findings, notices, differences, compared)


def _nothing_built(project: Project) -> _Judged:
    stages = missing_stages(project)
    reads = {name: stage.reads for name, stage in stages.items()}
    health = diagnose(reads, {name: stage.state for name, stage in stages.items()})
    return _Judged(SeedBuild(Builds(), 0, []), stages, health, [], [], [], {})


@contextmanager
def tables_of(project: Project, wait: float, say: Callable[[str], None]) -> Iterator[connection]:
    """Yield a session that alone may build the dye's tables, after they are dropped.

    See run_from_seeds for the errors.
    """
    with opened(project) as database:
        hold_tables(database, pipeline(project.directory).name, wait, say)
        make_afresh(database, project, Surface.known_live(project.directory), say)
        yield database


@contextmanager
def opened(project: Project) -> Iterator[connection]:
    """Open a session with the project's own profile, in autocommit, and close it at the end.

    Raises:
        NotReady: the profile does not name a PostgreSQL server that lets its user in.
    """
    project.parse()  # dbt finds its profile only after it has run once
    (database,) = open_sessions(project.directory, project.target, 1)
    with closing(database):
        database.autocommit = True
        yield database


def _stages(database: connection, project: Project, built: SeedBuild) -> dict[StageId, Stage]:
    stages = node_stages(
        project,
        built.builds,
        built.last_batch,
        ephemeral.show(database, project, built.builds),
        lambda node: compare(database, node, project.directory),
    )
    return {
        name: replace(stage, reads=[above for above in stage.reads if above != loader_stage()])
        for name, stage in stages.items()
    }
