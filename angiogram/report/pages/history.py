"""The page on all runs: verdicts and durations over time, and the rows of each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from angiogram.core.stage_id import SEED, StageId, as_json
from angiogram.report import headline
from angiogram.report.pages.cells import printable
from angiogram.report.pages.templates import fill
from angiogram.report.pages.view import VERDICT_WORDS
from angiogram.report.report import in_short, selection
from angiogram.store.runs import Run

WIDTH, HEIGHT, FOOT, LEFT = 1200, 190, 26, 44


@dataclass(frozen=True, slots=True)
class Pillar:
    """A run in the chart, with its position in pixels."""

    run: Run
    verdict: str
    seconds: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class RowsOverTime:
    """How many rows a stage produced, run by run.

    Attributes:
        stage: its name.
        last: rows of the latest run that counted them.
        least, most: over the runs.
        points: of the line, in SVG's form; empty for a single run.
    """

    stage: str
    last: int
    least: int
    most: int
    points: str


def history(runs: Sequence[Run], pages: Mapping[str, str] | None = None) -> str:
    """Return the page on these runs.

    Args:
        runs: newest first, as angiogram.store.runs.last returns them. A run of selected models is only listed: it
            stands for no verdict on the whole.
        pages: addresses of the runs' pages by run ID, as far as they exist.
    """
    oldest_first = list(reversed(runs))
    judged = [run for run in oldest_first if run.verdict and not run.is_selected]
    pillars = _pillars(judged)
    return fill(
        "history.html",
        runs=[
            (run, _verdict(run), _seconds(run), in_short(_verdict(run).replace("_", " "), run.report), _words(run))
            for run in runs
        ],
        counts={
            verdict: sum(run.verdict == verdict for run in judged)
            for verdict in ("healthy", "blocked", "could_not_run")
        },
        verified=next((run for run in reversed(judged) if run.verdict == "healthy"), None),
        latest=next(reversed(judged), None),
        pillars=pillars,
        longest=max((pillar.seconds for pillar in pillars), default=0.0),
        rows=_rows(judged),
        pages=pages or {},
        signs={"healthy": "✓", "blocked": VERDICT_WORDS["blocked"][0], "could_not_run": "?", "in_hand": "…"},
        size={"width": WIDTH, "height": HEIGHT, "foot": FOOT, "left": LEFT},
    )


def _verdict(run: Run) -> str:
    return run.verdict or ("in_hand" if run.in_hand else "could_not_run")


def _seconds(run: Run) -> float:
    return run.seconds or 0.0


def _words(run: Run) -> str:
    """Return an example of what is wrong, or which models were selected."""
    return printable(" · ".join(filter(None, [_example(run), selection(run.report)])))


def _example(run: Run) -> str:
    if run.verdict == "blocked":
        return headline.example({**run.report, "blockage": as_json(run.blockage or [])}) or headline.title(
            {"verdict": run.verdict, "blockage": as_json(run.blockage or [])}
        )
    return "" if run.verdict == "healthy" else str(run.report.get("error") or "")


def _pillars(runs: Sequence[Run]) -> list[Pillar]:
    longest = max((_seconds(run) for run in runs), default=0.0) or 1.0
    step = (WIDTH - LEFT) / max(len(runs), 12)
    room = HEIGHT - FOOT - 14
    pillars = []
    for index, run in enumerate(runs):
        height = max(_seconds(run) / longest * room, 3.0)
        x = round(LEFT + index * step, 1)
        width = round(min(step * 0.76, 46), 1)
        pillars.append(
            Pillar(run, _verdict(run), _seconds(run), x, round(HEIGHT - FOOT - height, 1), width, round(height, 1))
        )
    return pillars


def _rows(runs: Sequence[Run]) -> list[RowsOverTime]:
    """Return the rows of each stage of the newest report, oldest run first."""
    counted: dict[str, list[int]] = {}
    for run in runs:
        for stage in run.report.get("stages", []):
            if stage["kind"] != SEED and stage["rows_out"] is not None:
                counted.setdefault(str(StageId.of(stage)), []).append(stage["rows_out"])
    found = []
    for name, numbers in counted.items():
        least, most = min(numbers), max(numbers)
        step, spread = 212 / max(len(numbers) - 1, 1), (most - least) or 1
        foot = 26 if most > least else 15  # a level line is drawn in the middle
        points = [f"{4 + i * step:.1f},{foot - (number - least) / spread * 22:.1f}" for i, number in enumerate(numbers)]
        found.append(RowsOverTime(name, numbers[-1], least, most, " ".join(points) if len(points) > 1 else ""))
    return found
