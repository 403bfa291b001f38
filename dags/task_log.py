"""Writes what a terminal would show to the log of a task."""

import logging
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import, and not needed to read a DAG file
    from rich.console import RenderableType

_log = logging.getLogger("airflow.task")


def log_lines(shown: "RenderableType") -> None:
    """Log something line by line.

    Airflow receives what a task prints by another way than its log. What is printed last may arrive behind the log's
    end, which Airflow folds.
    """
    if isinstance(shown, str):
        _log.info("%s", shown)
        return
    from rich.console import Console

    out = Console(file=StringIO(), width=120, highlight=False)
    with out.capture() as captured:
        out.print(shown)
    for line in captured.get().splitlines():
        _log.info("%s", line.rstrip())
