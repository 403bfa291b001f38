"""The commands `ingestion unverified-dye ...`."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from ingestion.dead_letters import unverified_dye
from ingestion.dead_letters.unverified_dye import DYE, LIVE, Choice
from ingestion.errors import InputError
from ingestion.message.stamp import Unverified

app = typer.Typer(
    no_args_is_help=True,
    help="Messages with the headers of dye (test records with known results) that no known key verifies: kept apart.",
)

OfReason = Annotated[Unverified | None, typer.Option(help="Limit to those with this reason.")]
OfRun = Annotated[str | None, typer.Option(help="Limit to those whose header names this run.")]
Partition = Annotated[int | None, typer.Option(help="Limit to those of this partition.")]
Offset = Annotated[int | None, typer.Option(help="Limit to the one at this offset (with --partition).")]
TopicId = Annotated[UUID | None, typer.Option(help="Limit to those of the topic with this ID.")]


class Side(StrEnum):
    """Where messages are released to."""

    LIVE = LIVE
    DYE = DYE


@app.command("list")
def list_waiting(
    reason: OfReason = None,
    run_id: OfRun = None,
    partition: Partition = None,
    offset: Offset = None,
    topic_id: TopicId = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number to list.")] = 50,
) -> None:
    """List the messages that wait for a release, as one JSON object a line.

    They are sorted by place.
    """
    for claim in unverified_dye.claims(_choice(reason, run_id, partition, offset, topic_id), limit):
        typer.echo(unverified_dye.as_json(claim))


@app.command()
def show(
    partition: Annotated[int, typer.Argument(help="Its partition.")],
    offset: Annotated[int, typer.Argument(help="Its offset.")],
    topic_id: TopicId = None,
) -> None:
    """Print the bytes of a message, exactly as they arrived."""
    found = unverified_dye.claims(_choice(None, None, partition, offset, topic_id))
    if len(found) != 1:
        ids = ", ".join(str(claim.topic_id) for claim in found)
        raise InputError(
            f"Several topics have a message there; choose one with --topic-id: {ids}."
            if found
            else f"No message waits at partition {partition}, offset {offset}. See `ingestion unverified-dye list`."
        )
    sys.stdout.buffer.write(found[0].value or b"")


@app.command()
def release(
    to: Annotated[Side, typer.Option(help="dye: those that DYE_KEY or DYE_KEY_OLD verifies now; live: all others.")],
    everything: Annotated[bool, typer.Option("--all", help="Release all waiting messages.")] = False,
    reason: OfReason = None,
    run_id: OfRun = None,
    partition: Partition = None,
    offset: Offset = None,
    topic_id: TopicId = None,
) -> None:
    """Release messages to the dye's tables or the live ones once the key is known.

    Only messages chosen by an option go to the live tables, and none that a known key verifies. The copies get a topic
    id of their own, so that incremental models take them; the message kept apart stays and accounts for its offset.
    Prints as JSON how many were released and how many still wait. Exit code: 0 all released, 1 some still wait, 2 could
    not run.
    """
    choice = _choice(reason, run_id, partition, offset, topic_id)
    if everything == (choice != Choice()):
        raise typer.BadParameter("name the messages with options, or give --all")
    done = unverified_dye.release(to.value, choice)
    typer.echo(json.dumps(asdict(done)))
    raise typer.Exit(int(done.left > 0))


def _choice(
    reason: Unverified | None, run_id: str | None, partition: int | None, offset: int | None, topic_id: UUID | None
) -> Choice:
    if offset is not None and partition is None:
        raise typer.BadParameter("--offset goes with --partition")
    return Choice(reason, run_id, partition, offset, topic_id)
