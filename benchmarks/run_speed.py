"""Compare `angiogram run` with the bare `dbt build`: `python -m benchmarks.run_speed`.

The two build the same models, in turn. Writes docs/run-speed.md. Exit code 1 if the run takes longer than 1.5 times the
build plus 3 seconds (medians).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.servers import servers

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "run-speed.md"
PROJECT = ROOT / "dbt_project"
TIMES, PLUS_SECONDS = 1.5, 3.0
"""Limits for the dye's whole way: a multiple of the models' build, plus seconds for Kafka and the API."""


def _seconds(program: str, *arguments: str) -> tuple[float, str]:
    """Run a command that must succeed; return its wall-clock seconds and its output.

    The time includes its start-up.
    """
    began = time.monotonic()
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT)  # noqa: S603  # this project's own command
    return time.monotonic() - began, done.stdout


def page(runs: list[float], builds: list[float], steps: list[dict[str, float]], stages: list[dict[str, Any]]) -> str:
    """The text of docs/run-speed.md, from the measurements of all rounds.

    The stages are those of the last round.
    """
    limit = TIMES * median(builds) + PLUS_SECONDS
    lines = [
        "# How long a run takes",
        "",
        f"Written by `python -m benchmarks.run_speed`: both commands in turn, {len(runs)} times, warm, start-up "
        f"included, on {os.cpu_count()} cores.",
        "",
        "| command | median seconds | each |",
        "|---|---:|---|",
    ]
    for name, each in (("`angiogram run`", runs), ("`dbt build --target angiogram`", builds)):
        lines.append(f"| {name} | {median(each):.1f} | {', '.join(f'{seconds:.1f}' for seconds in each)} |")
    lines += [
        "",
        f"That is {median(runs) / median(builds):.2f} times the build; {TIMES} times and {PLUS_SECONDS:.0f} s are "
        f"{limit:.1f} s.",
        "",
        "| step | median seconds |",
        "|---|---:|",
        *(f"| {name} | {median(each[name] for each in steps):.2f} |" for name in steps[0]),
        "",
        "| stage of the last run | seconds |",
        "|---|---:|",
        *(f"| {stage['name']} | {stage['seconds']:.2f} |" for stage in stages),
        "",
    ]
    return "\n".join(lines)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turn.")] = 5,
    write: Annotated[bool, typer.Option(help="Write the page.")] = True,
) -> None:
    """Measure both in turn, after a warm-up of each."""
    runs, builds, steps, stages = [], [], [], []
    with servers("run-speed"), tempfile.TemporaryDirectory(prefix="run-speed-") as folder:
        build = ("build", "--target", "angiogram", "--target-path", f"{folder}/bare", "--quiet")
        os.environ |= {"DBT_TARGET_PATH": f"{folder}/run", "DBT_LOG_PATH": folder}
        for number in range(rounds + 1):
            took, printed = _seconds("angiogram", "run", "--json")
            built, _ = _seconds("dbt", *build)
            if number:
                report = json.loads(printed)
                runs.append(took)
                builds.append(built)
                steps.append(report["seconds_by_step"])
                stages = report["stages"]
    text = page(runs, builds, steps, stages)
    if write:
        PAGE.write_text(text)
    typer.echo(text)
    raise SystemExit(0 if median(runs) <= TIMES * median(builds) + PLUS_SECONDS else 1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
