"""The front door: an HTTP API that answers only when Kafka has acknowledged the messages.

Comes in: requests with one message or a list, and the dye's headers. Goes out: the same bytes on the topic, and their
positions. May import: `contract`, `errors`, `extras`, `message`, `settings`, `topic`.
"""

from ingestion.extras import require

require("fastapi", "uvicorn", "httptools", "kafka")
