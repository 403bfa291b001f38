"""The command `ingestion api`."""

from typing import Annotated

import typer


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
) -> None:
    """Serve the front door: POST messages, GET /health, documentation at /docs."""
    from ingestion.front_door.server import serve  # takes half a second, which other commands do not need

    serve(host, port)
