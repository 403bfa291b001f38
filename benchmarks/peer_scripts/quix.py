"""Load KAFKA_TOPIC with Quix Streams' PostgreSQL sink. Argument: default or tuned.

Runs in an environment of its own.
"""

import os
import sys

import psycopg2
from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

tuned = sys.argv[1] == "tuned"
more_for_application = (
    {
        "commit_every": 20_000,
        "consumer_extra_config": {"fetch.queue.backoff.ms": 5},
        "max_partition_buffer_size": 50_000,
    }
    if tuned
    else {}
)
application = Application(
    broker_address=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    consumer_group=f"quix-{os.getpid()}-{os.urandom(4).hex()}",
    auto_offset_reset="earliest",
    **more_for_application,
)
server = {
    "host": os.environ["PGHOST"],
    "port": int(os.environ["PGPORT"]),
    "dbname": os.environ["PGDATABASE"],
    "user": os.environ["PG_ADMIN_USER"],  # it creates its schema, even if it exists
    "password": os.environ["PG_ADMIN_PASSWORD"],
}
if not tuned:  # it adds its column for the message's time only to a table that it creates itself
    with psycopg2.connect(**server) as connection, connection.cursor() as cursor:
        cursor.execute('alter table bench.rides add column if not exists "timestamp" timestamp')
sink = PostgreSQLSink(
    **server,
    schema_name="bench",
    table_name="rides",
    **({"include_metadata": False} if tuned else {}),
)
rides = application.topic(os.environ["KAFKA_TOPIC"], value_deserializer="json")
application.dataframe(rides).sink(sink)
application.run()
