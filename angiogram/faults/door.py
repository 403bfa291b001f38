"""A proxy before the front door that tampers with messages."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from angiogram.core.errors import FaultNotPlanted
from ingestion.message.stamp import MESSAGE_NUMBER_HEADER


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way.

    Attributes:
        body: its bytes.
        headers: those of the request, names in lower case.
    """

    body: bytes
    headers: dict[str, str]

    @property
    def number(self) -> int:
        """Return its number in the dye."""
        return int(self.headers[MESSAGE_NUMBER_HEADER])

    def with_body(self, body: bytes) -> "Parcel":
        """Return the same message with another body."""
        return replace(self, body=body)


@contextmanager
def tampering_door(beyond: str, tamper: Callable[[Parcel], list[Parcel]]) -> Iterator[str]:
    """Open the proxy on a free port and pass on what `tamper` makes of each message.

    `tamper` may return no message, one or several. A message for which it returns none is acknowledged with the
    position of the previous one.

    Args:
        beyond: URL of the front door.
        tamper: returns the messages to send in place of a message.

    Yields:
        The proxy's URL.

    Raises:
        FaultNotPlanted: no message had been changed when the proxy closed.
    """
    changed = threading.Event()
    last_answer: list[httpx.Response] = []
    client = httpx.Client(base_url=beyond, timeout=30, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            parcel = Parcel(self.rfile.read(length), headers)
            handed_on = tamper(parcel)
            if handed_on != [parcel]:
                changed.set()
            for item in handed_on:
                kept = {n: v for n, v in item.headers.items() if n not in ("host", "content-length", "connection")}
                last_answer[:] = [client.post(self.path, content=item.body, headers=kept)]
            answer = last_answer[0]
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: stderr is for talk."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="door", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
    if not changed.is_set():
        raise FaultNotPlanted("No message was changed at the door: correct the fault in the catalogue.")
