"""Measure the loader, its parts and its peers in turn, on one topic: `make bench`.

Writes benchmarks/results.json and docs/benchmarks.md.
"""

import json
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from benchmarks.contenders import OURS, contenders
from benchmarks.measure import Contender, Failed, Passage, passage
from benchmarks.page import page
from benchmarks.peers import installed_peers
from benchmarks.rides import Ride, publish, rides, with_poison
from benchmarks.servers import HOME, empty_raw, make_ten_columns, servers
from benchmarks.summary import Result, result
from ingestion.message.rows import encoder
from sandbox.services import Sandbox
from taxi.contract import CONTRACT

ROOT = Path(__file__).parents[1]


def main(
    count: Annotated[int, typer.Option("--rides", min=100_000, help="Rides on the topic.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Passages of each, in turn.")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Only contenders with this in their name.")] = None,
    write: Annotated[bool, typer.Option(help="Write the page and the results.")] = True,
) -> None:
    """Measure all contenders in turn; exit code 1 if one of ours did not load all rows."""
    with servers("bench") as sandbox:
        lines = HOME / "lines"
        peers, absent = installed_peers(count, say)
        everybody = [one for one in [*contenders(count, lines), *peers] if _wanted(one.name, only)]
        say(f"publishing {count:,} rides")
        _publish(count, lines, {one.topic for one in everybody})
        passages: dict[str, list[Passage]] = {one.name: [] for one in everybody}
        failures: dict[str, str] = dict(absent)
        for number in range(1, rounds + 1):
            for one in everybody:
                if one.name in failures:
                    continue
                try:
                    done = _fresh_passage(sandbox, one)
                except Failed as failed:
                    failures[one.name] = str(failed)
                    say(f"round {number}: {one.name}: failed: {failed}")
                    continue
                passages[one.name].append(done)
                say(f"round {number}: {one.name}: {done.rate:,.0f} rows/s, {done.memory_mb:,.0f} MB")
            results = [result(one, passages[one.name]) for one in everybody if passages[one.name]]
            if write:  # after each round, so that a failure in the last minute does not lose an hour's work
                _write(results, failures, count, number)
    typer.echo(_table(results))
    raise SystemExit(1 if any(name.startswith(OURS) for name in failures) else 0)


def _write(results: list[Result], failures: dict[str, str], count: int, rounds: int) -> None:
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps([r.as_json() for r in results], indent=1) + "\n")
    (ROOT / "docs" / "benchmarks.md").write_text(page(results, failures, count, rounds))


def say(what: str) -> None:
    """Print a message to standard error."""
    print(what, file=sys.stderr, flush=True)


def _wanted(name: str, only: list[str] | None) -> bool:
    return not only or any(part in name for part in only)


def _publish(count: int, lines: Path, topics: set[str]) -> None:
    """Fill the topics that a contender reads."""
    clean = rides(count)
    publish("bench_rides", clean)
    if "bench_poison" in topics:
        publish("bench_poison", with_poison(clean, 0.01))
    if "bench_long" in topics:
        publish("bench_long", (ride for _ in range(4) for ride in clean))
    _prepare_lines(clean, lines)


def _prepare_lines(clean: list[Ride], lines: Path) -> None:
    """Prepare the lines for the contenders that only run COPY."""
    with open(f"{lines}.ten", "wb") as ten, open(f"{lines}.raw", "wb") as raw:
        for offset, (_, value) in enumerate(clean):
            columns = encoder(CONTRACT.fields).columns(value)
            ten.write(columns.removesuffix(b",null") + b"\n")
            raw.write(b'%b,"bench_rides",%b,0,%d,2026-10-01T00:00:00Z\n' % (columns, _ID, offset))


_ID = str(UUID(int=1)).encode()


def _fresh_passage(sandbox: Sandbox, one: Contender) -> Passage:
    make_ten_columns()
    empty_raw()
    return passage(sandbox, one)


def _table(results: list[Result]) -> str:
    return "\n".join(f"{r.median:>12,.0f} rows/s {r.pss_mb:>7,.0f} MB  {r.name}" for r in results)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
