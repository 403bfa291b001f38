"""The taxi's own commands `ingestion generate` and `ingestion replay`.

They send rides to the topic.
"""

import sys
from datetime import datetime, time
from pathlib import Path
from typing import Annotated

import typer

from taxi import traffic
from taxi.replay import replay as replay_file

app = typer.Typer()

_DEFAULT_START = datetime.combine(traffic.DEFAULT_START, time.min)


@app.command()
def generate(
    rides: Annotated[int, typer.Option(help="Number of messages.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the random generator: the same seed gives the same bytes.")] = 1,
    rate: Annotated[
        float | None, typer.Option(help="Messages per second. Default: as fast as Kafka accepts them.")
    ] = None,
    dirty: Annotated[float, typer.Option(help="Share of dirty messages, 0 to 1.")] = 0.1,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="UTC date on which the first ride starts.")
    ] = _DEFAULT_START,
) -> None:
    """Send generated live traffic to the topic. The same seed gives the same messages.

    Prints how many messages Kafka acknowledged.
    """
    typer.echo(traffic.generate(rides, seed, rate, dirty, start.date()))
    print(f"Every message is acknowledged; the same seed {seed} sends the same ones again.", file=sys.stderr)


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="CSV with the columns of the packaged file.")] = None,
) -> None:
    """Send recorded rides to the topic: by default 6,433 real rides in New York.

    Prints how many rides Kafka acknowledged.
    """
    typer.echo(replay_file(file))
