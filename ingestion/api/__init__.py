"""The front door: POST /rides hands rides to the topic and answers only when the broker has acknowledged them."""

from ingestion.api.app import create_app
from ingestion.api.server import serve, serving

__all__ = ["create_app", "serve", "serving"]
