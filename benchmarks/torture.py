"""Torture the loader on an endless stream: `make torture`. Updates docs/torture.md.

Afterwards each message must be in raw or in the dead letters exactly once; otherwise the exit code is 1.
"""

import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts_of_pages import write_part
from benchmarks.servers import HOME, servers
from benchmarks.stream import Judgement, judge, streaming
from benchmarks.torments import TORMENTS, start
from sandbox.services import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "torture.md"


@dataclass(frozen=True)
class Ordeal:
    """The result of one torment.

    Attributes:
        name: the torment.
        times: how often it struck.
        seconds: its total duration.
        judgement: the check of the tables afterwards.
    """

    name: str
    times: int
    seconds: float
    judgement: Judgement


def torture(
    sandbox: Sandbox, seed: int, share: float = 1.0, per_second: int = 8_000
) -> tuple[list[Ordeal], Judgement, int]:
    """Torment the loader on KAFKA_TOPIC and PGDATABASE, then load what is left.

    Args:
        sandbox: the sandbox whose servers are restarted.
        seed: determines the moments.
        share: share of the usual number of strikes, at least one for each torment.
        per_second: messages published per second in the meantime.

    Returns:
        The ordeals, the last judgement, and the number of messages acknowledged by Kafka.

    Raises:
        AssertionError: the loader did not continue after a torment.
    """
    chance = random.Random(seed)  # noqa: S311  # moments, not secrets
    ordeals = []
    with streaming(seed, per_second) as stream:
        for name, (torment, usual) in TORMENTS.items():
            times = max(1, round(usual * share))
            began = time.monotonic()
            torment(sandbox, chance, times)
            ordeals.append(Ordeal(name, times, time.monotonic() - began, judge()))
            print(f"{name}: {times} times, {ordeals[-1].judgement}", file=sys.stderr, flush=True)
    if code := start().wait(300):
        raise AssertionError(f"the last load ended with {code}")
    return ordeals, judge(), stream.acknowledged


def main(
    seed: Annotated[int, typer.Option(help="Decides the moments of all blows.")] = 20261001,
    share: Annotated[float, typer.Option(min=0.01, help="Of the usual number of blows.")] = 1.0,
    write: Annotated[bool, typer.Option(help="Write the page.")] = True,
) -> None:
    """Torture the loader; exit code 1 if a message is missing or stored twice."""
    with servers("torture") as sandbox:
        os.environ["TORTURE_LOG"] = str(HOME / "torture.log")
        ordeals, last, acknowledged = torture(sandbox, seed, share)
    text = page(ordeals, last, acknowledged, seed)
    if write:
        write_part(PAGE, "loader", text)
    typer.echo(text)
    raise SystemExit(0 if last.clean and last.expected >= acknowledged else 1)


def page(ordeals: list[Ordeal], last: Judgement, acknowledged: int, seed: int) -> str:
    """The part of docs/torture.md about these torments."""
    lines = [
        f"Written by `make torture` (seed {seed}): a stream of numbered messages that never pauses, every fiftieth "
        "poison, over four partitions; the loader with both clients and one or more workers. After each torment every "
        "message below the stored offsets must be in raw or in the dead letters, and none twice.",
        "",
        "| torment | times | seconds | messages so far | in raw | dead letters | missing | twice |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in ordeals:
        lines.append(f"| {one.name} | {one.times} | {one.seconds:.0f} | {_cells(one.judgement)} |")
    lines.append(f"| at the end, all loaded | | | {_cells(last)} |")
    verdict = (
        f"Kafka had acknowledged {acknowledged:,} messages; the topic held {last.expected:,}, and each of them is in "
        "raw or in the dead letters exactly once."
        if last.clean and last.expected >= acknowledged
        else f"FAILED: Kafka had acknowledged {acknowledged:,} messages, {last.expected:,} were loaded, "
        f"{last.missing:,} are missing, {last.twice:,} are there twice."
    )
    return "\n".join([*lines, "", verdict, ""])


def _cells(judgement: Judgement) -> str:
    return (
        f"{judgement.expected:,} | {judgement.rides:,} | {judgement.letters:,} | {judgement.missing:,} | "
        f"{judgement.twice:,}"
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
