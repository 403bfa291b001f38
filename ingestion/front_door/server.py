"""Run the front door, until a signal or while a with block runs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from ingestion.errors import InputError
from ingestion.front_door.app import create_app
from ingestion.front_door.protocol import IDLE_SECONDS, BoundedProtocol

_SHUTDOWN_SECONDS = 15
_START_SECONDS = 30.0


class _Server(uvicorn.Server):
    """A server that signals when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.settled.set()


def serve(host: str, port: int) -> None:
    """Serve the front door until a signal ends it; open requests are answered first.

    Raises:
        SettingsError: FRONT_DOOR_API_KEY or Kafka's address is not set.
        ContractUnusable: the pipeline's contract cannot be used.
        InputError: the address cannot be listened on.
    """
    app = create_app()
    with closing(_listen(host, port)) as listening:
        uvicorn.Server(_config(app)).run(sockets=[listening])


@contextmanager
def serving(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the front door on a thread while the block runs.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for any free one.

    Yields:
        The server's URL, once it accepts connections. If Kafka is away, it answers 503.

    Raises:
        SettingsError: FRONT_DOOR_API_KEY or Kafka's address is not set.
        ContractUnusable: the pipeline's contract cannot be used.
        InputError: the address cannot be listened on.
    """
    app = create_app()
    with closing(_listen(host, port)) as listening:
        server = _Server(_config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="front-door", daemon=True)
        thread.start()
        try:
            server.settled.wait(_START_SECONDS)
            if not server.started:
                raise InputError(f"The front door did not start at {host}:{port}. Its log says why.")
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _config(app: FastAPI, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        access_log=False,  # uvicorn writes it to stdout, and a line for each message is useless
        http=BoundedProtocol,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        ws="none",
        **options,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(
            f"The front door cannot listen on {host}:{port}: {error.strerror}. Give another --host or --port."
        ) from error
