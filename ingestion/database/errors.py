"""The meaning of PostgreSQL's errors, and what to do about each.

Errors are recognised by SQLSTATE, never by the driver's message text.
"""

import psycopg2

_LOST = (
    "The connection to PostgreSQL was lost: {said}. Is it running (`sandbox status`)? If so, an administrator, a "
    "restart or the network ended the session: run the command again."
)

_MEANINGS = {
    "57P": "PostgreSQL ended the session: {said}. An administrator or a restart did; run the command again.",
    "57014": "PostgreSQL cancelled a statement: {said}. Run the command again; if a timeout did it, raise it.",
    "55P03": "Another session held a lock for too long: {said}. End that session (see pg_stat_activity) and retry.",
    "40": "PostgreSQL rolled back a transaction because of another one: {said}. Run the command again.",
    "53": "PostgreSQL is out of disk space, memory or connections: {said}. Free some, then run the command again.",
    "25006": "The database accepts no writes: {said}. If it is a standby, set PGHOST to the primary.",
    "28": "PostgreSQL refused the login: {said}. Check the role's password; `ingestion bootstrap` sets it again.",
    "08": _LOST,
    "42501": "A right is missing: {said}. `ingestion bootstrap` and `ingestion migrate` grant them.",
    "42P01": "A table is missing: {said}. Run `ingestion migrate`, or build the dbt models.",
    "3F": "A schema is missing: {said}. Run `ingestion bootstrap` and `ingestion migrate`.",
    "3D": "The database is missing: {said}. Check PGDATABASE, or run `ingestion bootstrap`.",
    "55": "An object is in use, or in the wrong state: {said}. Wait for the session that uses it, then retry.",
    "54": "A limit of PostgreSQL is exceeded: {said}.",
    "58": "PostgreSQL had a system error: {said}. Check its log and its disks.",
    "XX": "PostgreSQL had an internal error, or its data is damaged: {said}. Check its log.",
}
"""The message for each SQLSTATE or beginning of one; the longest match counts."""


def why(error: psycopg2.Error) -> psycopg2.Error:
    """The server's own error behind one that only says that the connection is closed.

    Args:
        error: as it was caught; a rollback on a closed connection hides what was raised before it.
    """
    seen: BaseException | None = error
    while seen is not None and error.pgcode is None:
        if isinstance(seen, psycopg2.Error) and seen.pgcode is not None:
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def sentence(error: psycopg2.Error) -> str | None:
    """Say what happened and what to do.

    None if neither the server nor its set-up is at fault, but the program.

    Args:
        error: any error of the driver.
    """
    error = why(error)
    said = " ".join((error.diag.message_primary or str(error) or type(error).__name__).split()).rstrip(".")
    if error.pgcode is None:
        is_lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return _LOST.format(said=said) if is_lost else None
    for length in (5, 3, 2):
        if meaning := _MEANINGS.get(error.pgcode[:length]):
            return f"{meaning.format(said=said)} (SQLSTATE {error.pgcode})"
    return None
