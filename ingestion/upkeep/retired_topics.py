"""The command `ingestion retire-topic`: a topic loaded under an earlier KAFKA_TOPIC that nobody is to load any more."""

from contextlib import closing
from typing import Annotated

import typer

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.errors import InputError
from ingestion.migrations import require_current
from ingestion.settings import KafkaSettings


def retire(topic: str, reason: str) -> int:
    """Give a topic up: `angiogram live` no longer misses what arrives there.

    Args:
        topic: its name; all topics that were loaded under it are meant.
        reason: why.

    Returns:
        How many topics that were: one that was deleted and made again is another.

    Raises:
        InputError: it is the topic that is loaded now, or none that was loaded.
        SettingsError, DatabaseUnavailable, SchemaOutdated: there is no such database, or not yet.
    """
    if topic == KafkaSettings.from_environment().topic:
        raise InputError(f"{topic} is the topic that KAFKA_TOPIC names: it is loaded, not retired.")
    if not reason.strip():
        raise InputError("The reason is empty. Say why nobody is to load the topic any more.")
    with closing(connect(OWNER, "ingestion retire-topic")) as session:
        require_current(session)
        with session, session.cursor() as query:
            query.execute(
                "insert into raw.retired_topics (topic_id, topic, reason) "
                "select distinct loaded.topic_id, loaded.topic, %s from raw.loaded_offsets as loaded "
                "where loaded.topic = %s on conflict (topic_id) do update set reason = excluded.reason",
                (reason.strip(), topic),
            )
            retired = query.rowcount
    if not retired:
        raise InputError(f"No topic {topic} was ever loaded into this database.")
    return retired


def retire_topic(
    topic: Annotated[str, typer.Argument(help="Name of a topic that was loaded under an earlier KAFKA_TOPIC.")],
    reason: Annotated[str, typer.Option(help="Why nobody is to load it any more.")],
) -> None:
    """Stop expecting a former topic to be loaded; prints how many topics of that name were loaded."""
    typer.echo(retire(topic, reason))
