"""HTTP with limits that uvicorn's own protocol lacks: how long a request's head may be, and how long it may take."""

import json
from asyncio import Transport
from asyncio.events import TimerHandle
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of a request's first line, headers and trailers together."""

IDLE_SECONDS = 75
"""How long an idle connection is kept, longer than proxies keep theirs (60 s): they close it, and never use a dead one.
Also how long a request's head may take."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request with a head beyond MAX_HEAD_BYTES before anybody looks at its key.

    The parser hands over a header only once it is whole, and copies it anew with each piece that arrives: 64 MB of one
    took half a minute in which nobody else was served.
    """

    _head = 0  # bytes of the first line and the headers that are whole
    _pending = 0  # bytes that came and are no whole header yet, and no body
    _refused = False
    _slow_head: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client is there."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
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
        """A header or a trailer is whole."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the application takes over."""
        self._head_is_there()
        self._pending = 0
        if not self._refused:
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """The size of a chunk is whole."""
        self._pending = 0

    def on_body(self, body: bytes) -> None:
        """A part of the body: its length is the application's affair."""
        self._pending = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
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
