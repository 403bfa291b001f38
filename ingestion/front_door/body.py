"""Split the body of a request into messages whose bytes are exactly the client's."""

import re
from http import HTTPStatus

import msgspec
from fastapi import Request

from ingestion.contract import Contract
from ingestion.front_door.errors import Refused
from ingestion.message.record import Outgoing

MAX_POSTED_BYTES = 1_000_000
"""Largest accepted message, including its key."""

MAX_BODY_BYTES = 10_000_000
"""Largest accepted body."""

MAX_POSTED_MESSAGES = 10_000
"""Longest accepted list: a longer one would occupy the only sending thread for too long."""

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # both halves of a surrogate pair
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."  # any other escape, so that its second character does not count as the start of one
)
_LIST = re.compile(rb"[ \t\r\n]*\[")
_LISTED = msgspec.json.Decoder(list[msgspec.Raw])


async def read_body(request: Request) -> bytes:
    """Read the body of a request.

    Raises:
        Refused: 413 as soon as it exceeds MAX_BODY_BYTES, 415 if it is compressed; the rest is not read.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding {encoding[:100]} is not supported. Send the body uncompressed, without that header.",
        )
    too_large = Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is larger than {MAX_BODY_BYTES} bytes. Send the messages in several lists.",
    )
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def is_list(body: bytes) -> bool:
    """Whether the body begins like a JSON array."""
    return _LIST.match(body) is not None


def single(body: bytes, contract: Contract) -> Outgoing:
    """The message in a body that holds one: the whole body is its value.

    Raises:
        Refused: 413 if it is larger than MAX_POSTED_BYTES, 422 if it is not a JSON object.
    """
    _check_utf8(body)
    return _message(body, None, contract)


def several(body: bytes, contract: Contract) -> list[Outgoing]:
    """The messages in a list: the value of each is its slice of the body.

    Raises:
        Refused: 413 if there are more than MAX_POSTED_MESSAGES or one is larger than MAX_POSTED_BYTES, 422 if the list
            is malformed or one is not a JSON object.
    """
    _check_utf8(body)
    try:
        slices = _LISTED.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(body, "The body", error, None) from error
    if len(slices) > MAX_POSTED_MESSAGES:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The list holds {len(slices)} messages, more than {MAX_POSTED_MESSAGES}. Send them in several lists.",
        )
    return [_message(bytes(part), place, contract) for place, part in enumerate(slices)]


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The body is not UTF-8 at byte {error.start}.", byte=error.start
        ) from error


def _message(value: bytes, place: int | None, contract: Contract) -> Outgoing:
    name = "The body" if place is None else f"Message {place} of the list"
    try:
        key = contract.key_of_value(value)
    except msgspec.ValidationError as error:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is not a JSON object: {error}.", message=place
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(value, name, error, place) from error
    if len(value) + len(key or b"") > MAX_POSTED_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{name} is larger than {MAX_POSTED_BYTES} bytes.", message=place
        )
    return Outgoing(value, key)


def _not_json(text: bytes, name: str, error: Exception, place: int | None) -> Refused:
    """Say why a text is not valid JSON.

    For a lone surrogate, msgspec's own message is misleading: it reports a truncated text, or a missing second half.
    """
    if (surrogate := _lone_surrogate(text)) is not None:
        escape = text[surrogate : surrogate + 6].decode()
        return Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name} holds a lone surrogate, {escape}, at byte {surrogate}: half a character, which text cannot "
            "contain. Send both halves, or the character itself.",
            message=place,
            byte=surrogate,
        )
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is not valid JSON: {error}.", message=place)


def _lone_surrogate(text: bytes) -> int | None:
    """The place of the first lone surrogate, if lone ones are all that is wrong with a text."""
    mended = bytearray(text)
    lone = [match for match in _ESCAPE.finditer(text) if match["half"]]
    for match in lone:
        mended[match.start() : match.end()] = b"\\ufffd"  # the same length as what it replaces
    try:
        msgspec.json.decode(mended, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return lone[0].start() if lone else None
