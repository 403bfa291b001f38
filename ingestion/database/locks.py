"""Advisory locks that let one command at a time work on the rows of a stream."""

from typing import LiteralString

from psycopg2.extensions import cursor

from ingestion.settings.pipeline import contract

REPLACE_DAY = "replace day"
"""For a command that takes files away; whoever loads some holds it, too, in common with other loads."""


def lock_of_stream(query: cursor, of: str, function: LiteralString = "pg_advisory_xact_lock") -> None:
    """Take a lock that pipelines share if, and only if, they load into the same table.

    Another stream's pipeline in the same database has a lock of its own, and waits for nobody here.

    Args:
        query: on the session that is to hold it.
        of: what it is for, such as `replay`.
        function: PostgreSQL's; one that only tries leaves its answer to be fetched.

    Raises:
        ContractUnusable: the pipeline declares no contract that can be used.
    """
    query.execute(f"select {function}(hashtext('ingestion'), hashtext(%s))", (f"{of} {contract().table}",))
