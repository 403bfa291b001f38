"""The command `ingestion retire-topic`, for a former topic that nobody is to load any more.

It was loaded under an earlier value of KAFKA_TOPIC.
"""

from contextlib import closing
from typing import Annotated

import typer

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.errors import InputError
from ingestion.migrations import require_current
from ingestion.settings import KafkaSettings


def retire(topic: str, reason: str) -> int:
    """Retire a topic: `angiogram live` no longer misses what arrives there.

    Args:
        topic: the topic's name; all topics loaded under it are retired.
        reason: why it is retired.

    Returns:
        Number of topics retired; a recreated topic counts as another one.

    Raises:
        InputError: the topic is being loaded now, or was never loaded.
        SettingsError, DatabaseUnavailable, SchemaOutdated: the database cannot be used, or misses a migration.
    """
    if topic == KafkaSettings.from_environment().topic:
        raise InputError(f"{topic} is the topic that KAFKA_TOPIC names: it is loaded, not retired.")
    if not reason.strip():
        raise InputError("The reason is empty. Say why the topic is no longer to be loaded.")
    with closing(connect(OWNER, "ingestion retire-topic")) as session:
        require_current(session)
        with session, session.cursor() as query:
            query.execute(
                "insert into raw.retired_topics (topic_id, topic, reason) "
                "select distinct loaded.topic_id, loaded.topic, %s from raw.loaded_offsets as loaded "
                "where loaded.topic = %s and raw.topic_is_of_session(loaded.topic_id) "
                "on conflict (topic_id) do update set reason = excluded.reason",
                (reason.strip(), topic),
            )
            retired = query.rowcount
    if not retired:
        raise InputError(f"No topic {topic} was ever loaded into this database.")
    return retired


def retire_topic(
    topic: Annotated[str, typer.Argument(help="Name of a topic that was loaded under an earlier KAFKA_TOPIC.")],
    reason: Annotated[str, typer.Option(help="Why the topic is no longer to be loaded.")],
) -> None:
    """Stop expecting a former topic to be loaded.

    Prints how many topics of that name were loaded.
    """
    typer.echo(retire(topic, reason))
