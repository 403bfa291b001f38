"""The commands `ingestion dead-letters ...`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from ingestion.dead_letters import letters as dead_letters
from ingestion.errors import InputError
from ingestion.message.tables import LIVE_ROWS, tables
from ingestion.settings.pipeline import contract
from ingestion.words import counted

app = typer.Typer(no_args_is_help=True, help="Messages that are not storable JSON objects.")

_talk = Console(stderr=True, highlight=False, soft_wrap=True)

Dye = Annotated[bool, typer.Option("--dye", help="Use the dead letters of the dye instead of the live ones.")]


@app.command("list")
def list_letters(
    dye: Dye = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number to list.")] = 50,
    reason: Annotated[str | None, typer.Option(help="Limit to those with this reason.")] = None,
) -> None:
    """List the newest dead letters, one a line.

    Columns: partition, offset, time, reason, bytes, topic, topic id.
    """
    for letter in dead_letters.newest(limit, dye, reason):
        size = "null" if letter.size is None else str(letter.size)
        message_at = letter.message_at.isoformat() if letter.message_at else "-"
        place = (letter.topic, str(letter.topic_id))
        typer.echo("\t".join((str(letter.partition), str(letter.offset), message_at, letter.reason, size, *place)))


@app.command()
def show(
    partition: Annotated[int, typer.Argument(help="Its partition.")],
    offset: Annotated[int, typer.Argument(help="Its offset.")],
    topic_id: Annotated[
        UUID | None, typer.Option(help="ID of the topic. Needed only if several topics have a message there.")
    ] = None,
    dye: Dye = False,
) -> None:
    """Print the bytes of a dead letter, exactly as they arrived."""
    sys.stdout.buffer.write(dead_letters.at(partition, offset, topic_id, dye).value or b"")


@app.command()
def export(
    to: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
    dye: Dye = False,
) -> None:
    """Write all dead letters as JSON, one a line, with key and value in base64."""
    lines = (json.dumps(letter.as_json()) + "\n" for letter in dead_letters.every(dye))
    if to is None:
        sys.stdout.writelines(lines)
        return
    try:
        with to.open("w", encoding="utf-8") as out:
            out.writelines(lines)
    except OSError as error:
        raise InputError(f"{to} cannot be written: {error.strerror}.") from error


@app.command()
def replay(
    partition: Annotated[int | None, typer.Option(help="With --offset: the one to correct.")] = None,
    offset: Annotated[int | None, typer.Option(help="With --partition: the one to correct.")] = None,
    corrected: Annotated[Path | None, typer.Option(help="File that holds the corrected message.")] = None,
    topic_id: Annotated[
        UUID | None, typer.Option(help="ID of its topic. Needed only if several topics have a message there.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Limit to those with this reason.")] = None,
    unclear_again: Annotated[
        bool, typer.Option("--unclear-again", help="Include those that a killed replay may have published already.")
    ] = False,
) -> None:
    """Publish dead letters again: all that today's loader would take, or one corrected.

    Each is published to its own topic, which KAFKA_TOPIC must name. A dead letter of a file becomes a row of that file.
    Prints how many were published.
    """
    from ingestion.dead_letters import replay as dead_letters_replay  # needs a client of Kafka

    one = (partition, offset, corrected, topic_id)
    if one == (None, None, None, None):
        done = dead_letters_replay.replay(reason, unclear_again, _tell)
        for topic, letters in done.of_other_topics.items():
            _tell(f"{counted(letters, 'dead letter')} of the topic {topic}: set KAFKA_TOPIC to it to publish them.")
        if done.unclear:
            _tell(
                f"{counted(done.unclear, 'dead letter')} may have been published: a replay was killed, and the topic "
                f"no longer shows it. Look for them in {tables(contract())[LIVE_ROWS]}; if they are not there, add "
                "--unclear-again."
            )
        typer.echo(json.dumps(asdict(done)))
        return
    if partition is None or offset is None or corrected is None or reason:
        raise typer.BadParameter("give --partition, --offset and --corrected together, without --reason")
    try:
        value = corrected.read_bytes()
    except OSError as error:
        raise InputError(f"{corrected} cannot be read: {error.strerror}.") from error
    dead_letters_replay.replay_corrected(partition, offset, value, topic_id, unclear_again, _tell)
    typer.echo(json.dumps({"published": 1, "still_dead": 0}))


def _tell(sentence: str) -> None:
    _talk.print(sentence, markup=False)
