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
    "55P03": "Another session holds a lock for too long: {said}. End what holds it (see pg_stat_activity), run again.",
    "40": "PostgreSQL undid a transaction because of another one: {said}. Run the command again.",
    "53": "PostgreSQL is short of disk, memory or connections: {said}. Make room, then run the command again.",
    "25006": "The database takes no writes: {said}. On a standby PGHOST must name the primary.",
    "28": "PostgreSQL refused the login: {said}. Check the role's password; `ingestion bootstrap` sets it anew.",
    "08": _LOST,
    "42501": "A right is missing: {said}. `ingestion bootstrap` and `ingestion migrate` grant them.",
    "42P01": "A table is missing: {said}. Run `ingestion migrate`, or build the dbt models.",
    "3F": "A schema is missing: {said}. Run `ingestion bootstrap` and `ingestion migrate`.",
    "3D": "The database is missing: {said}. Check PGDATABASE, or run `ingestion bootstrap`.",
    "55": "An object is in use or not in the state that it must be in: {said}. Wait for what uses it, then run again.",
    "54": "A limit of PostgreSQL is exceeded: {said}.",
    "58": "PostgreSQL met an error of its system: {said}. See its log and its disks.",
    "XX": "PostgreSQL met an error within itself, or damaged data: {said}. See its log.",
}
"""The message for each SQLSTATE or beginning of one; the longest match counts."""


def sentence(error: psycopg2.Error) -> str | None:
    """Say what happened and what to do.

    None if neither the server nor its set-up is at fault, but the program.

    Args:
        error: any error of the driver.
    """
    said = " ".join((error.diag.message_primary or str(error) or type(error).__name__).split()).rstrip(".")
    if error.pgcode is None:
        is_lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return _LOST.format(said=said) if is_lost else None
    for length in (5, 3, 2):
        if meaning := _MEANINGS.get(error.pgcode[:length]):
            return f"{meaning.format(said=said)} (SQLSTATE {error.pgcode})"
    return None
