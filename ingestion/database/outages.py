"""Tell outages of PostgreSQL, which are waited out, from refusals, which are not."""

import psycopg2

from ingestion.database.errors import why
from ingestion.errors import DatabaseRefused, DatabaseUnavailable

_OUTAGE_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
# connection, rollback by the server, out of resources, lock not available, shutdown, system error
_DUPLICATE = "23505"
_READ_ONLY = "25006"  # after a failover: the session is on a standby


def is_outage(error: psycopg2.Error) -> bool:
    """Whether the error is about the server and not about the data, so that waiting helps."""
    if isinstance(error, psycopg2.InterfaceError):  # the connection is already closed
        return True
    if error.pgcode is None:
        return isinstance(error, psycopg2.OperationalError)
    return error.pgcode == _READ_ONLY or error.pgcode[:2] in _OUTAGE_CLASSES


def in_our_words(error: psycopg2.Error) -> DatabaseUnavailable | DatabaseRefused:
    """Turn a driver's error into ours: the server is away for now, or refuses for good."""
    told = why(error).diag.message_primary
    said = told or str(error).strip() or type(error).__name__
    if not is_outage(error):
        advice = (
            "The rows to load are stored already: see `ingestion offsets repair`."
            if error.pgcode == _DUPLICATE
            else "`ingestion bootstrap` and `ingestion migrate` create missing rights and tables."
        )
        return DatabaseRefused(
            f"PostgreSQL refused a statement: {said} (SQLSTATE {error.pgcode}). Nothing of it was written; "
            f"waiting does not help. {advice}"
        )
    if error.pgcode == _READ_ONLY:
        said += "; if it is a standby, set PGHOST to the primary"
    return DatabaseUnavailable(f"PostgreSQL failed: {said}.")
