"""The commands on runs: start, list, show, release and prune them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from angiogram.cli.interrupted import interruptible
from angiogram.cli.options import AsJson, ComparedState, DyeTarget, Exclude, RunId, Select, Selector, criteria
from angiogram.core.errors import NothingSelected
from angiogram.core.stage_id import StageId, as_json, listed
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, HEALTHY
from angiogram.dbt.project import Project
from angiogram.dbt.targets import require_engine
from angiogram.judge.across import run_on_both
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.judge.verdict import could_not_run
from angiogram.report import report
from angiogram.report.pages import page as pages
from angiogram.report.pages.run_page import run_page
from angiogram.report.pages.write import require_writable, write
from angiogram.report.progress import progress
from angiogram.run import steps
from angiogram.run.endings import in_words
from angiogram.run.passage import Passage
from angiogram.store import lease, records, runs
from angiogram.store.prune import prune as delete_old_runs

EXIT_CODE_BY_VERDICT = {HEALTHY: 0, BLOCKED: 1, COULD_NOT_RUN: 2}

talk = Console(stderr=True, highlight=False)


def run(
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show dbt's log on stderr.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for another run or build from the seeds to end.")
    ] = lease.WAIT,
    from_seeds: Annotated[
        bool,
        typer.Option(
            "--from-seeds",
            help="Test the models alone, on the input seeds, without Kafka. Recorded in .angiogram/local.db.",
        ),
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write the report as a page to this file.", dir_okay=False)] = None,
    target: DyeTarget = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET",
            help="Also run under this dye target, such as one on another engine, and compare the cells of both. "
            "Needs --from-seeds.",
        ),
    ] = None,
    select: Select = None,
    exclude: Exclude = None,
    selector: Selector = None,
    state: ComparedState = None,
    if_any: Annotated[
        bool, typer.Option("--if-any", help="Exit with 0 if nothing is selected, such as where no model was modified.")
    ] = False,
) -> None:
    """Send the dye once from the front door to the marts, and print the verdict.

    The dye is test records with known results: some hundred signed messages. They go through the API (FRONT_DOOR_URL,
    or the same API opened here for that time), then the loader that follows the topic loads them (or this command, if
    no such loader is running), dbt builds the dye target, and every model is compared with its expected seed. Live
    tables never hold a dye message. Takes about 20 seconds.

    With --from-seeds, --select tests some models alone: what they read is filled from its expected seeds.

    Exit code: 0 healthy, 1 blocked (with --against also where cells differ), 2 could not run. DBT_PROJECT_DIR chooses
    another dbt project.
    """

    if against and not from_seeds:
        raise typer.BadParameter("--against compares runs from the seeds: add --from-seeds.", param_hint="--against")
    if (chosen := criteria(select, exclude, selector, state)) and not from_seeds:
        raise typer.BadParameter("A live run tests all models. To test some, add --from-seeds.", param_hint="--select")

    def open_project(target: str | None = target) -> Project:
        if page:
            require_writable(page)
        project = Project(verbose=verbose, dye_source="seeds" if from_seeds else "topic", target=target)
        if not from_seeds:
            require_engine(project, "postgres")
        return project

    passage = Passage(open_project, wait, _say)
    try:
        if from_seeds:
            stopped = "The run from the seeds was stopped without a verdict. The next one starts afresh."
            with interruptible(stopped), progress(talk, not verbose):
                if against:
                    both = run_on_both(open_project(), open_project(against), wait, _say, chosen)
                    found, other = both.first, both.report(against)
                else:
                    found, other = run_from_seeds(open_project(), wait, _say, criteria=chosen), None
            outcome = found.report | ({"against": other} if other else {})
        else:
            with progress(talk, not verbose):
                outcome = passage.run()
    except Exception as error:  # reported by main; whoever reads stdout must get JSON in any case
        if as_json:
            _print_json(_could_not_run(passage.run_id, error))
        if if_any and isinstance(error, NothingSelected):
            _say(str(error))
            raise typer.Exit(0) from None
        raise
    _end(outcome, as_json, lambda: pages.page(found, {}) if from_seeds else _page_of(outcome["run_id"], page), page)


def _page_of(run_id: str, output: Path | None) -> str:
    with runs.database("page") as database:
        return run_page(runs.read(database, run_id), output.parent if output else None)


def _end(outcome: dict[str, Any], as_json: bool, text: Callable[[], str], page: Path | None) -> NoReturn:
    """Print the report, write its page if requested, and exit as the verdict requires."""
    _print(outcome, as_json)
    if page:
        write(text(), page)
    raise typer.Exit(_exit_code(outcome))


def _exit_code(outcome: dict[str, Any]) -> int:
    if (other := outcome.get("against")) is None:
        return EXIT_CODE_BY_VERDICT[outcome["verdict"]]
    codes = {EXIT_CODE_BY_VERDICT[outcome["verdict"]], _exit_code(other["report"])}
    return 1 if other["differences"] else max(codes)


def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Number of runs to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs with their verdicts, newest first."""
    found = records.last("runs", limit)
    if as_json:
        _print_json([_summary(r) for r in found])
    else:
        report.console().print(report.runs_table(found))


def release_run(
    run_id: Annotated[str, typer.Argument(help="ID of an abandoned run that still holds the lock.")],
) -> None:
    """Release a dead run's lease so that the next run can start."""
    with runs.database("release") as database:
        found = runs.read(database, run_id)
    if not found.in_hand:
        talk.print(f"Run {run_id} is not in hand: nothing to release.", markup=False)
        return
    steps.finish(run_id, "released by hand before its verdict")
    talk.print(f"Run {run_id} is released.", markup=False)


def prune(
    older_than: Annotated[int, typer.Option(min=1, max=36_500, help="Days that runs are kept after their end.")] = 90,
) -> None:
    """Delete old runs and their dye. Needs OWNER_PASSWORD.

    The newest verdict and the newest healthy one are kept.
    """
    pruned = delete_old_runs(older_than)
    talk.print(f"{pruned.runs} runs and {pruned.messages} messages of the dye deleted.")


def show(
    run_id: RunId = None,
    as_json: AsJson = False,
) -> None:
    """Print the report on a run again."""
    found = records.read_or_last("show", run_id)
    if found.verdict is None:
        state = "is in hand" if found.in_hand else "ended without a verdict"
        talk.print(f"Run {found.run_id} {state}.", markup=False)
    _print({"run_id": found.run_id} | found.report, as_json)


def differences(
    run_id: RunId = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Show only this stage: a model's name, or kind and name, as in `loader:orders`."),
    ] = None,
) -> None:
    """Print every difference that a run found, one JSON object per line.

    A report shows only the first ones of each stage.
    """
    found = records.read_or_last("differences", run_id)
    stages = [StageId.of(row) for row in found.report.get("stages", [])]
    chosen = StageId.parse(stage) if stage else None
    if chosen and stages and chosen not in stages:
        raise typer.BadParameter(f"Run {found.run_id} has {listed(stages)}.", param_hint="--stage")
    for difference in records.differences(found, stages, chosen):
        typer.echo(json.dumps(difference, ensure_ascii=False))


def _summary(found: runs.Run) -> dict[str, Any]:
    return {
        "run_id": found.run_id,
        "in_hand": found.in_hand,
        "started_at": found.started_at.isoformat(),
        "finished_at": found.finished_at.isoformat() if found.finished_at else None,
        "verdict": found.verdict,
        "blockage": as_json(found.blockage or []),
        **({"selection": found.report["selection"]} if found.is_selected else {}),
    }


def _could_not_run(run_id: str | None, error: Exception) -> dict[str, Any]:
    empty: dict[str, Any] = {"checkpoints": [], "stages": [], "differences": [], "seconds": None}
    return could_not_run(run_id, in_words(error)) | empty


def _print(outcome: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(outcome)
    else:
        report.console().print(report.render(outcome))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _say(text: str) -> None:
    talk.print(text, markup=False, soft_wrap=True)
