"""Tells which engine a session belongs to."""

from angiogram.warehouse.engines.duckdb import DuckEngine, DuckQuery, DuckSession
from angiogram.warehouse.engines.postgres import PostgresEngine
from angiogram.warehouse.engines.protocol import Engine, Query, Warehouse

_POSTGRES, _DUCKDB = PostgresEngine(), DuckEngine()


def engine_of(session: Warehouse | Query) -> Engine:
    """Return the engine of a session, or of a query in it."""
    return _DUCKDB if isinstance(session, DuckSession | DuckQuery) else _POSTGRES
