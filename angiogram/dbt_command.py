"""What every dbt command needs that runs in this process."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any


@contextmanager
def dbt_aside() -> Iterator[None]:
    """Keep stdout for the report, and close dbt's log file.

    What dbt prints goes to stderr; the log it would leave open.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        log = logging.getLogger("file_log")  # dbt's name for it
        for handler in log.handlers[:]:
            handler.close()
            log.removeHandler(handler)


def forget_ephemeral(manifest: Any) -> None:
    """Let dbt put ephemeral models into their readers anew: once done, it leaves them out with that manifest."""
    for node in manifest.nodes.values():
        if getattr(node, "extra_ctes", None):
            node.extra_ctes, node.extra_ctes_injected = [], False
