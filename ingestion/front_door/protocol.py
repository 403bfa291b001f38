"""HTTP with limits that uvicorn's own protocol does not have.

They bound the size of a request's head, and the time it may take.
"""

import json
from asyncio import Transport
from asyncio.events import TimerHandle
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Maximum bytes of a request's first line, headers and trailers together."""

IDLE_SECONDS = 75
"""Seconds that an idle connection is kept, and that a request's head may take.

Proxies keep idle connections for 60 s. This is longer, so that a proxy closes first and never uses a dead connection.
"""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request whose head exceeds MAX_HEAD_BYTES before checking its API key.

    The parser hands over a header only once it is complete, and copies it again with each piece that arrives: a header
    of 64 MB took half a minute, during which no other client was served.
    """

    _head = 0  # bytes of the first line and of complete headers
    _pending = 0  # bytes received that are neither a complete header nor body
    _refused = False
    _slow_head: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client connected."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes arrived."""
        if self._refused:
            return
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        if self._slow_head is None:
            self._await_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the first line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer is complete."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the application takes over."""
        self._head_is_there()
        self._pending = 0
        if not self._refused:
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """The size of a chunk is complete."""
        self._pending = 0

    def on_body(self, body: bytes) -> None:
        """A part of the body arrived; the application limits its size."""
        self._pending = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._pending = 0
        if not self._refused:
            super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head += size
        self._pending = max(self._pending - size, 0)
        if self._head > MAX_HEAD_BYTES:
            self._refuse()

    def _refuse(self) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:
            said = json.dumps({"detail": f"The headers are larger than {MAX_HEAD_BYTES} bytes."}).encode()
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (status, status.phrase.encode(), len(said), said)
            )
        self.transport.close()

    def _await_head(self) -> None:
        self._slow_head = self.loop.call_later(IDLE_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        if self._slow_head is not None:
            self._slow_head.cancel()
            self._slow_head = None
