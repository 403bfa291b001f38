"""Runs any dbt project on its input seeds, without Kafka, an API or a loader.

The seeds are released batch by batch, so that incremental models are first built and then updated. After the last
batch, every model is compared with its expected seed. A blockage found here lies in dbt.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from angiogram.core.diagnose import diagnose
from angiogram.core.errors import NotReady
from angiogram.core.stage_id import from_json
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import NO_CRITERIA, Criteria
from angiogram.dbt.selection.resolve import selected
from angiogram.dbt.targets import require_engine
from angiogram.judge.build.node_stages import missing_stages
from angiogram.judge.build.seed_build import build
from angiogram.judge.guards.surface import Surface
from angiogram.judge.selected.build import build_selected
from angiogram.judge.selected.told import told
from angiogram.judge.verdict import Evidence, Judged, judge, report
from angiogram.store.lease import WAIT, hold_tables
from angiogram.store.local import OF_SEEDS, LocalKept, LocalRecord
from angiogram.store.runs import Run, say_on_stderr
from angiogram.warehouse.afresh import make_afresh
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.sessions import open_warehouse
from ingestion.settings.pipeline import pipeline

if TYPE_CHECKING:
    from psycopg2.extensions import connection


def run_from_seeds(
    project: Project,
    wait: float = WAIT,
    say: Callable[[str], None] = say_on_stderr,
    look: Callable[[Warehouse, Project], None] = lambda database, project: None,
    criteria: Criteria = NO_CRITERIA,
) -> Run:
    """Build the project, or what is selected of it, on its input seeds and judge it.

    Args:
        project: the project, opened with its dye taken from the seeds.
        wait: seconds to wait at most for others that hold the tables.
        say: receives messages about what the command waits for.
        look: called once all is judged, while the tables are still there and held.
        criteria: which models are built and compared.

    Returns:
        The run with its report, as from angiogram.judge.verdict.report. It is in the local record of the project.

    Raises:
        DbtFailed: dbt ended before it built anything.
        ExtraMissing: the adapter of the target is not installed.
        NotReady: the profile does not name a PostgreSQL server that lets its user in.
        UnsupportedProject: the project's own macro `differences` is too old, or a model reads a source that the dye
            cannot enter.
        NotTheDyes: dbt would write live relations, or relations that the dye did not make.
        RunInHand: another run or build from the seeds outlasted the wait. None starts while the tables are built.
        TablesInUse: other sessions held tables of the last run for too long.
        SeedError: the dye cannot be read.
        InvalidSurface: the accepted surface cannot be read.
        NothingSelected, UnusableState: see angiogram.dbt.selection.resolve.selected.
    """
    require_engine(project, "postgres", "duckdb")
    started_at, begun = datetime.now(UTC), time.perf_counter()
    run_id = f"{OF_SEEDS}{started_at:%Y%m%dT%H%M%SZ}"
    project.parse()
    chosen = selected(project, criteria) if criteria else None
    with _record(project, say) as record:
        kept = record.kept(run_id) if record else None
        if project.can_be_built:
            judged, evidence = _judged(project, wait, say, kept, look, chosen)
        else:
            judged, evidence = _nothing_built(project)
        if chosen is not None:
            evidence = replace(evidence, selection=told(project, criteria, chosen))
        found = report(run_id, project, judged, evidence, time.perf_counter() - begun, {})
        run = Run(
            run_id=run_id,
            in_hand=False,
            batch=0,
            lease_until=None,
            owner=None,
            started_at=started_at,
            finished_at=datetime.now(UTC),
            verdict=found["verdict"],
            blockage=from_json(found["blockage"]),
            report=found if record else found | {"kept": False},
        )
        if record:
            record.put(run)
    return run


@contextmanager
def _record(project: Project, say: Callable[[str], None]) -> Iterator[LocalRecord | None]:
    """Open the local record of runs, or say why it cannot be used.

    The verdict does not depend on it.
    """
    with ExitStack() as stack:
        try:
            record = stack.enter_context(LocalRecord.opened(project.directory))
        except NotReady as error:
            say(f"This run is not recorded. {error}")
            record = None
        yield record


def _judged(
    project: Project,
    wait: float,
    say: Callable[[str], None],
    kept: LocalKept | None,
    look: Callable[[Warehouse, Project], None],
    chosen: Collection[str] | None,
) -> tuple[Judged, Evidence]:
    with tables_of(project, wait, say) as database:
        built = build(database, project) if chosen is None else build_selected(database, project, chosen)
        evidence = Evidence(built.builds, built.last_batch, notices=built.notices, kept=kept)
        judged = judge(database, project, evidence)
        look(database, project)
        return judged, evidence


def _nothing_built(project: Project) -> tuple[Judged, Evidence]:
    stages = missing_stages(project)
    reads = {name: stage.reads for name, stage in stages.items()}
    health = diagnose(reads, {name: stage.state for name, stage in stages.items()})
    return Judged(stages, health), Evidence(Builds(), 0)


@contextmanager
def tables_of(project: Project, wait: float, say: Callable[[str], None]) -> Iterator[Warehouse]:
    """Yield a session that alone may build the dye's tables, after they are dropped.

    See run_from_seeds for the errors.
    """
    with opened(project, wait, say) as database:
        if engine_of(database).keeps_notes:  # elsewhere the open file keeps others out
            hold_tables(cast("connection", database), pipeline(project.directory).name, wait, say)
        make_afresh(database, project, Surface.known_live(project.directory), say)
        yield database


@contextmanager
def opened(project: Project, wait: float = 0.0, say: Callable[[str], None] = say_on_stderr) -> Iterator[Warehouse]:
    """Open a session with the project's own profile, in autocommit, and close it at the end.

    Args:
        project: the project.
        wait: seconds to wait at most for a process that has a database in a file open.
        say: receives messages about what the command waits for.

    Raises:
        NotReady: the profile does not name a database that lets its user in.
        RunInHand: another process had the file open for longer than `wait`.
    """
    project.parse()  # dbt finds its profile only after it has run once
    with closing(open_warehouse(project.directory, project.target, wait, say)) as database:
        yield database
