"""COPY into one of the raw tables."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Protocol

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor

from ingestion.message.tables import RawTable

_heard = threading.local()
_installing = threading.Lock()


def identifier(table: RawTable) -> sql.Identifier:
    """The quoted name of a raw table."""
    return sql.Identifier(table.schema, table.name)


def copy_into(query: cursor, table: RawTable, lines: IO[bytes], size: int = 8192) -> None:
    """COPY lines into a raw table.

    Args:
        query: of the session, in a transaction.
        table: the table.
        lines: in COPY's CSV format.
        size: bytes handed to libpq at a time.

    Raises:
        psycopg2.Error: the server's own error, also where it ended the session in the middle.
    """
    with _server_errors_heard() as heard:
        try:
            query.copy_expert(copy_statement(table), lines, size=size)
        except psycopg2.Error as error:
            if heard and error.pgcode is None:
                raise heard[0] from None
            raise


def copy_statement(table: RawTable) -> sql.Composed:
    """The COPY statement for the lines of a table."""
    return sql.SQL("copy {} ({}) from stdin (format csv, null 'null')").format(
        identifier(table), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )


@contextmanager
def _server_errors_heard() -> Iterator[list[psycopg2.Error]]:
    """Hear the server's errors that psycopg2 would print and then forget.

    If the server ends a session in the middle of COPY, psycopg2 hands its error, which quotes a row, to sys.excepthook,
    and raises another one that does not say why.
    """
    with _installing:
        if not isinstance(sys.excepthook, _Hook):
            sys.excepthook = _Hook(sys.excepthook)
    errors: list[psycopg2.Error] = []
    _heard.errors = errors
    try:
        yield errors
    finally:
        _heard.errors = None


class _Hook:
    """An excepthook that keeps what a COPY of its thread is told, and passes on all else."""

    def __init__(self, before: "_Excepthook") -> None:
        self._before = before

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        errors: list[psycopg2.Error] | None = getattr(_heard, "errors", None)
        cause = error if isinstance(error, psycopg2.Error) else error.__cause__
        if errors is not None and isinstance(cause, psycopg2.Error):
            errors.append(cause)
        else:
            self._before(kind, error, trace)


class _Excepthook(Protocol):
    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None, /) -> object: ...
