"""The topic: create it, inspect it, publish to it, search it for a message.

Comes in: Kafka's settings, and values to publish. Goes out: positions that the broker has acknowledged. May import:
`contract`, `errors`, `extras`, `message`, `settings`.
"""

from ingestion.extras import require

require("kafka")
