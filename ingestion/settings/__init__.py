"""Settings: addresses and secrets from the environment, the contract from angiogram.yml.

Comes in: environment variables, and the settings file `angiogram.yml` beside dbt_project.yml, which names the
pipeline's contract. Goes out: validated objects, read again from the environment at each `from_environment()`. Nothing
else in `ingestion` reads the environment. May import: `addresses`, `contract`, `errors`, `extras`,
`key_fingerprint`. docs/architecture.md lists every variable.
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
