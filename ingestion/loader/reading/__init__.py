"""Reading from Kafka: one source with two clients, and a reader of single messages.

Comes in: Kafka's settings, and which partitions to read from which offset. Goes out: records as Kafka holds them. May
import: `errors`, `settings`, `message`, `topic`.
"""

from ingestion.extras import require

require("kafka")
