"""Compare the loaders of two checkouts: `python -m benchmarks.two_checkouts FOLDER`.

The other checkout is in FOLDER. Each pair runs `python -m benchmarks.loader` in either folder, on servers of its own;
who goes first alternates. The faster client's loader runs once more without the check of CRCs, to tell apart what that
check costs. Writes nothing. Exit code 1 if the median ratio of the loader, with the check, is below the limit.
"""

import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.contenders import LONG, LONG_FASTER, LONG_UNCHECKED

HERE = Path(__file__).parents[1]
LOWEST_RATIO = 0.97
_LINE = re.compile(r"^ *([0-9,]+) rows/s +[0-9,]+ MB +(.+)$", re.MULTILINE)


def rates(checkout: Path, count: int) -> dict[str, float]:
    """Rows per second of each contender of one passage, by its name."""
    command = [str(checkout / ".venv" / "bin" / "python"), "-m", "benchmarks.loader"]
    wanted = [argument for name in (LONG, LONG_FASTER, LONG_UNCHECKED) for argument in ("--only", name)]
    done = subprocess.run(  # noqa: S603  # the project's own command
        [*command, "--rides", str(count), "--rounds", "1", "--no-write", *wanted],
        cwd=checkout,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return {name: float(rate.replace(",", "")) for rate, name in _LINE.findall(done.stdout)}


def main(
    other: Annotated[Path, typer.Argument(help="The other checkout, installed with `make install`.")],
    count: Annotated[int, typer.Option("--rides", min=100_000, help="A quarter of the rides on the topic.")] = 300_000,
    pairs: Annotated[int, typer.Option(min=1, help="Passages of each checkout.")] = 5,
) -> None:
    """Print how many times faster this checkout's loader is than the other's, pair by pair."""
    ratios: dict[str, list[float]] = {LONG: [], LONG_FASTER: [], LONG_UNCHECKED: []}
    price: list[float] = []
    for number in range(pairs):
        found = {folder: rates(folder, count) for folder in ((HERE, other) if number % 2 else (other, HERE))}
        ours, theirs = found[HERE], {**found[other], LONG_UNCHECKED: found[other][LONG_FASTER]}
        for name, each in ratios.items():
            each.append(ours[name] / theirs[name])
        price.append(ours[LONG_FASTER] / ours[LONG_UNCHECKED])
    for name, each in ratios.items():
        typer.echo(f"{median(each):.3f}  {name}, this checkout / the other  ({_listed(each)})")
    typer.echo(f"{median(price):.3f}  price of CRCs: {LONG_FASTER}, checked / not checked  ({_listed(price)})")
    sys.exit(1 if any(median(ratios[name]) < LOWEST_RATIO for name in (LONG, LONG_FASTER)) else 0)


def _listed(each: list[float]) -> str:
    return ", ".join(f"{ratio:.3f}" for ratio in each)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
