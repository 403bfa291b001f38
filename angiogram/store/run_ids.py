"""Run IDs: the start time and a random suffix, such as `20261121T074500Z-ab12cd`."""

import secrets
from datetime import UTC, datetime

_BEGAN = "%Y%m%dT%H%M%SZ"


def new() -> str:
    """Return the ID of a run that starts now."""
    return f"{datetime.now(UTC):{_BEGAN}}-{secrets.token_hex(3)}"


def began(run_id: str) -> datetime:
    """Return when a run started."""
    return datetime.strptime(run_id.partition("-")[0], _BEGAN).replace(tzinfo=UTC)
