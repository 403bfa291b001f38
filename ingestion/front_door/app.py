"""The application: its routes, authentication and answers."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from ingestion.contract import Contract
from ingestion.errors import IngestionError, InputError, KafkaUnavailable
from ingestion.front_door.body import (
    MAX_BODY_BYTES,
    MAX_POSTED_BYTES,
    MAX_POSTED_MESSAGES,
    is_list,
    read_body,
    several,
    single,
)
from ingestion.front_door.errors import Refused, Undelivered
from ingestion.front_door.sender import MessageSender
from ingestion.message.stamp import DYE_HEADERS, header_names
from ingestion.settings import FrontDoorSettings, KafkaSettings, pipeline
from ingestion.topic.admin import topic_id
from ingestion.topic.producer import Position

RETRY_AFTER_SECONDS = 5
"""Seconds after which a client should retry while Kafka is unreachable."""

_HEALTH_HOLDS_SECONDS = 1.0


class Acknowledgement(BaseModel):
    """The position of a message on the topic."""

    partition: int = Field(examples=[2])
    offset: int = Field(examples=[41])


class Problem(BaseModel):
    """Why a request was refused or failed."""

    detail: str = Field(description="What happened and what to do.")
    message: int | None = Field(default=None, description="Which message of a list, counted from 0.")
    byte: int | None = Field(default=None, description="Where in the body or the message, counted from 0, if known.")
    acknowledged: list[Acknowledgement | None] | None = Field(
        default=None,
        description="Where each message of a list is; null: not known to be on the topic. Send only these again.",
    )


class BrokerHealth(BaseModel):
    """The broker answers and has the topic."""

    topic: str
    topic_id: str


def _documented(contract: Contract) -> dict[str, Any]:
    """The API documentation of a request."""
    message = {
        "type": "object",
        "description": "Any field may be missing, null or of another type: the models judge. Unknown fields are kept.",
        "properties": {name: {} for name in contract.fields},
        "example": dict(contract.front_door.example),
    }
    return {
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "single message only",
            }
            for name in DYE_HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [
                            message,
                            {"type": "array", "items": {"type": "object"}, "maxItems": MAX_POSTED_MESSAGES},
                        ]
                    }
                }
            },
        },
    }


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "X-API-Key is missing or wrong"},
    413: {
        "model": Problem,
        "description": f"A list of more than {MAX_POSTED_MESSAGES} messages, a message beyond {MAX_POSTED_BYTES} "
        f"or a body beyond {MAX_BODY_BYTES} bytes",
    },
    415: {"model": Problem, "description": "A compressed body"},
    422: {"model": Problem, "description": "Malformed JSON, something other than an object, or dye headers on a list"},
    503: {"model": Problem, "description": "Kafka did not acknowledge; Retry-After says when to try again"},
}


def create_app() -> FastAPI:
    """The front door as an ASGI application.

    Raises:
        SettingsError: FRONT_DOOR_API_KEY or Kafka's address is not set.
        ContractUnusable: the pipeline's contract cannot be used.
    """
    api_key = FrontDoorSettings.from_environment().api_key.get_secret_value().encode()
    kafka = KafkaSettings.from_environment()
    contract = pipeline.contract()
    names = header_names(contract.former_headers)
    health = _BrokerHealth(kafka)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with MessageSender(kafka) as app.state.sender:
            yield

    app = FastAPI(
        title=contract.front_door.title,
        summary=contract.front_door.summary,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would go to whatever host the client names
    )
    app.add_exception_handler(IngestionError, _answer_problem)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)

    def check_key(key: Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]) -> None:
        if not hmac.compare_digest((key or "").encode(), api_key):
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "X-API-Key is missing or wrong. It must be the value of FRONT_DOOR_API_KEY."
            )

    @app.post(
        contract.front_door.path,
        status_code=HTTPStatus.ACCEPTED,
        response_model=Acknowledgement | list[Acknowledgement],
        responses=_PROBLEMS,
        openapi_extra=_documented(contract),
        dependencies=[Depends(check_key)],
    )
    async def post_messages(request: Request) -> Response:
        """Take one message (a JSON object) or several (an array of objects).

        Each message's bytes reach the topic unchanged. The answer comes once the broker has acknowledged all of them:
        partition and offset of the message, or a list of these in the order of the array. After a 503 some may have
        arrived: `acknowledged` shows which messages of a list did. Send the others again, not the whole list: a message
        that is sent twice is on the topic twice.
        """
        sender = cast(MessageSender, request.app.state.sender)
        body = await read_body(request)
        dye_headers = [
            (name.decode("latin-1"), value) for name, value in request.headers.raw if name.decode("latin-1") in names
        ]
        if not is_list(body):
            positions = await sender.deliver([single(body, contract)], dye_headers)
            return JSONResponse(positions[0]._asdict(), HTTPStatus.ACCEPTED)
        if dye_headers:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Dye headers sign one message; a list cannot carry them. Send the messages singly.",
            )
        return JSONResponse([_as_json(at) for at in await sender.deliver(several(body, contract))], HTTPStatus.ACCEPTED)

    @app.get("/health", responses={503: _PROBLEMS[503]})
    async def get_health() -> BrokerHealth:
        """Whether the broker answers and has the topic."""
        return BrokerHealth(topic=kafka.topic, topic_id=await health.topic_id())

    return app


class _BrokerHealth:
    """Asks the broker, one question at a time, and keeps the answer for a moment.

    /health needs no key, so anybody may call it often.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()
        self._answer: str | IngestionError | None = None
        self._asked_at = 0.0

    async def topic_id(self) -> str:
        """The topic's id.

        Raises:
            KafkaUnavailable: the broker does not answer, or does not have the topic.
        """
        async with self._asking:
            if self._answer is None or time.monotonic() - self._asked_at > _HEALTH_HOLDS_SECONDS:
                try:
                    self._answer = str(await asyncio.to_thread(topic_id, self._settings))
                except IngestionError as error:
                    self._answer = error
                self._asked_at = time.monotonic()
        if isinstance(self._answer, IngestionError):
            raise KafkaUnavailable(str(self._answer)) from self._answer
        return self._answer


def _as_json(position: Position) -> dict[str, int]:
    return {"partition": position.partition, "offset": position.offset}


async def _answer_problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        headers = {
            HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "ApiKey"},
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"Connection": "close"},  # the rest of the body is not read
        }.get(HTTPStatus(error.status))
        problem = Problem(detail=str(error), message=error.message, byte=error.byte)
        return JSONResponse(_dump(problem), error.status, headers)
    problem = Problem(detail=str(error))
    if isinstance(error, Undelivered) and len(error.positions) > 1:
        problem.acknowledged = [at and Acknowledgement(**at._asdict()) for at in error.positions]
    cause = error.__cause__ if isinstance(error, Undelivered) else error
    if isinstance(cause, InputError):  # the topic's size limit is lower than the API's
        return JSONResponse(_dump(problem), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return JSONResponse(
        _dump(problem),
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _dump(problem: Problem) -> dict[str, Any]:
    """Convert to JSON without unknown values, except in the list of acknowledgements."""
    return {name: value for name, value in problem.model_dump().items() if value is not None}


async def _answer_nobody(_: Request, __: Exception) -> Response:
    # The client disconnected while sending; nothing reached the topic and nobody reads the answer.
    return Response(status_code=HTTPStatus.BAD_REQUEST)
