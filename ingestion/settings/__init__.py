"""Settings: addresses and secrets from the environment, name and contract from the pipeline's settings file.

Comes in: environment variables, and `angiogram.yml` beside dbt_project.yml. Goes out: checked objects, made anew from
the environment at each `from_environment()`. Nothing else in `ingestion` reads the environment. May import: `errors`,
`addresses`, `contract`. docs/architecture.md lists every variable.
"""

from ingestion.settings.roles import AdministratorSettings, has_password, role, role_password, roles
from ingestion.settings.servers import DatabaseSettings, DyeKeys, FrontDoorSettings, KafkaSettings

__all__ = [
    "AdministratorSettings",
    "DatabaseSettings",
    "DyeKeys",
    "FrontDoorSettings",
    "KafkaSettings",
    "has_password",
    "role",
    "role_password",
    "roles",
]
