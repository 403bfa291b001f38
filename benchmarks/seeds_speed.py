"""Compare a run from the seeds on DuckDB with dbt: `python -m benchmarks.seeds_speed`.

In turn, in one sitting: `angiogram run --from-seeds --target duckdb`; `dbt build` of the same selection, which is the
seeds, the models and the tests equals_expected of the 14 compared relations; and the whole `dbt build`. Prints a table
and the tests of dbt that only the whole build runs. Exit code 1 if the run takes longer than 1.3 times the build of the
same selection, by the clock, or by CPU seconds with `--cpu` (for a machine that others use). Starts no server.
"""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.cpu import Spent, spent

PROJECT = Path(__file__).parents[1] / "dbt_project"
TIMES = 1.3
RUN, SAME, WHOLE = "`angiogram run --from-seeds`", "`dbt build` of the same selection", "the whole `dbt build`"
_SAME = ("resource_type:seed", "resource_type:model", "test_name:equals_expected")


def commands(copy: Path) -> dict[str, list[str]]:
    """The three commands on a copy of the project, by what they are."""
    programs = Path(sys.executable).parent
    build = [str(programs / "dbt"), "build", "--target", "duckdb", "--quiet", "--project-dir", str(copy)]
    return {
        RUN: [str(programs / "angiogram"), "run", "--from-seeds", "--target", "duckdb", "--json"],
        SAME: [*build, "--select", *_SAME, "--indirect-selection", "empty", "--target-path", "same"],
        WHOLE: [*build, "--target-path", "whole"],
    }


def only_in_the_whole(copy: Path) -> Counter[str]:
    """Kinds of the tests that the whole build ran and a run does not have, with their numbers."""
    found: Counter[str] = Counter()
    for result in json.loads((copy / "whole" / "run_results.json").read_text())["results"]:
        kind = result["unique_id"].partition(".")[0]
        if kind == "unit_test":
            found["dbt unit tests"] += 1
        elif kind == "test" and "equals_expected" not in result["unique_id"]:
            found["data tests"] += 1
    return found


def table(measured: dict[str, list[Spent]]) -> list[str]:
    """The lines of a table of all measurements."""
    lines = ["| command | median seconds | median CPU seconds | each |", "|---|---:|---:|---|"]
    for name, each in measured.items():
        seconds, cpu = median(one.seconds for one in each), median(one.cpu for one in each)
        listed = ", ".join(f"{one.seconds:.1f} ({one.cpu:.1f})" for one in each)
        lines.append(f"| {name} | {seconds:.1f} | {cpu:.1f} | {listed} |")
    return lines


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turn.")] = 5,
    cpu: Annotated[bool, typer.Option("--cpu", help="Judge by CPU seconds, not by the clock.")] = False,
) -> None:
    """Measure the three in turn, after a warm-up of each, which parses the project."""
    with tempfile.TemporaryDirectory(prefix="seeds-speed-") as folder:
        copy = Path(folder) / "dbt_project"
        left = shutil.ignore_patterns("target*", "logs", "*.duckdb*", ".angiogram")
        shutil.copytree(PROJECT, copy, ignore=left)
        unused = dict.fromkeys(("PGHOST", *(f"DBT_ENV_SECRET_{name}_PASSWORD" for name in ("DEV", "PROD"))), "unused")
        own = {"DBT_PROJECT_DIR": str(copy), "DBT_PROFILES_DIR": str(copy)}
        environment = os.environ | unused | {"DBT_ENV_SECRET_ANGIOGRAM_PASSWORD": "unused"} | own
        measured: dict[str, list[Spent]] = {name: [] for name in commands(copy)}
        for number in range(rounds + 1):
            for name, command in commands(copy).items():
                file = copy / ("run.duckdb" if name == RUN else "build.duckdb")
                if name != RUN:  # a run empties its own schemas; dbt would only update what is there
                    file.unlink(missing_ok=True)
                one = spent(command, copy, environment | {"DUCKDB_FILE": str(file)})
                if number:
                    measured[name].append(one)
        only = only_in_the_whole(copy)
    typer.echo("\n".join(table(measured)))
    ratios = {
        "clock": median(one.seconds for one in measured[RUN]) / median(one.seconds for one in measured[SAME]),
        "CPU": median(one.cpu for one in measured[RUN]) / median(one.cpu for one in measured[SAME]),
    }
    typer.echo(
        f"\nA run takes {ratios['clock']:.2f} times the same selection by the clock, {ratios['CPU']:.2f} by CPU."
    )
    typer.echo(f"Only the whole build runs {', '.join(f'{n} {kind}' for kind, n in sorted(only.items()))}.")
    raise SystemExit(0 if ratios["CPU" if cpu else "clock"] <= TIMES else 1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
