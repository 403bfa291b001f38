"""Ids of runs: when the run began and a random end, as `20261121T074500Z-ab12cd`."""

import secrets
from datetime import UTC, datetime

_BEGAN = "%Y%m%dT%H%M%SZ"


def new() -> str:
    """The id of a run that begins now."""
    return f"{datetime.now(UTC):{_BEGAN}}-{secrets.token_hex(3)}"


def began(run_id: str) -> datetime:
    """When a run began."""
    return datetime.strptime(run_id.partition("-")[0], _BEGAN).replace(tzinfo=UTC)
