"""Healthcheck of the loader's container: ends with 0 if a loader that follows the topic is at work, else with 1."""

import sys
from contextlib import closing

from ingestion.database.sessions import connect
from ingestion.errors import IngestionError
from ingestion.loader.store import follower_alive


def main() -> int:
    """Ask PostgreSQL once; the exit code."""
    try:
        with closing(connect("loader", "healthcheck")) as session:
            if follower_alive(session):
                return 0
    except IngestionError as error:
        print(error, file=sys.stderr)
        return 1
    print("No loader follows the topic.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
