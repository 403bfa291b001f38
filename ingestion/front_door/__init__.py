"""The front door: an HTTP API that answers only when Kafka has acknowledged the messages.

Comes in: requests with one message or a list, and the dye's headers. Goes out: the same bytes on the topic, and their
positions. May import: `errors`, `contract`, `settings`, `message`, `topic`.
"""

from ingestion.front_door.app import create_app
from ingestion.front_door.server import serve, serving

__all__ = ["create_app", "serve", "serving"]
