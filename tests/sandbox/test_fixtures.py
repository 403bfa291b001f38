"""The shared fixtures keep tests apart."""

from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, TopicPartition
from psycopg2.extensions import connection

from ingestion.errors import DatabaseUnavailable
from ingestion.settings import KafkaSettings
from taxi.contract import CONTRACT


def test_a_fresh_database_is_migrated_and_its_own(fresh_database: str, connect_as: Callable[..., connection]) -> None:
    with connect_as("owner").cursor() as query:
        query.execute("select current_database(), (select count(*) from raw.taxi_rides)")
        assert query.fetchone() == (fresh_database, 0)
    assert fresh_database != "taxi"


def test_a_fresh_topic_is_empty_and_its_own(fresh_topic: str) -> None:
    settings = KafkaSettings.from_environment()
    assert settings.topic == fresh_topic != "taxi_rides"
    consumer = KafkaConsumer(**settings.client_options(), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(fresh_topic, number) for number in range(settings.partitions)]
        assert consumer.partitions_for_topic(fresh_topic) == set(range(settings.partitions))
        assert set(consumer.end_offsets(partitions).values()) == {0}
    finally:
        consumer.close()


@pytest.mark.parametrize("role", sorted({*CONTRACT.roles} - {"airflow"}))
def test_every_role_gets_in_with_its_password(role: str, connect_as: Callable[..., connection]) -> None:
    with connect_as(role).cursor() as query:
        query.execute("select current_user, current_database()")
        assert query.fetchone() == (CONTRACT.roles[role].name, "taxi")


def test_airflow_gets_into_its_own_database_alone(connect_as: Callable[..., connection]) -> None:
    with connect_as("airflow", "airflow").cursor() as query:
        query.execute("select current_user")
        assert query.fetchone() == ("airflow",)
    with pytest.raises(DatabaseUnavailable):
        connect_as("airflow")
