"""Settings: addresses and secrets from the environment, name and contract from the pipeline's settings file.

Comes in: environment variables, and `angiogram.yml` beside dbt_project.yml. Goes out: checked objects, made anew from
the environment at each `from_environment()`. Nothing else in `ingestion` reads the environment. May import: `errors`,
`addresses`, `contract`. docs/architecture.md lists every variable.
"""

from ingestion.settings.servers import (
    ROLE_PASSWORDS,
    DatabaseSettings,
    DyeKeys,
    FrontDoorSettings,
    KafkaSettings,
    has_password,
    role_password,
)

__all__ = [
    "ROLE_PASSWORDS",
    "DatabaseSettings",
    "DyeKeys",
    "FrontDoorSettings",
    "KafkaSettings",
    "has_password",
    "role_password",
]
