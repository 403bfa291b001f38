"""What all DAGs here share: time zone, no catch-up, one run at a time, owner, retries."""

from datetime import timedelta
from typing import Any

import pendulum

DAG: dict[str, Any] = {
    "start_date": pendulum.datetime(2026, 1, 1, tz="America/New_York"),
    "catchup": False,
    "max_active_runs": 1,
}
"""Arguments of every DAG."""


def tasks(retries: int, pause: timedelta, within: timedelta) -> dict[str, Any]:
    """Return the default arguments of a DAG's tasks.

    Args:
        retries: how often a failed task is tried again.
        pause: before it is tried again.
        within: how long one try may take.
    """
    return {"owner": "data-platform", "retries": retries, "retry_delay": pause, "execution_timeout": within}
