"""The targets of a project's profile, and where each of them builds.

This is limited to what can be told from this machine.
"""

import socket
from dataclasses import dataclass
from typing import Any

from angiogram.core.errors import DbtFailed
from angiogram.core.in_a_line import in_a_line
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import dye_targets


@dataclass(frozen=True, slots=True)
class Target:
    """A target of the profile.

    Attributes:
        name: its name.
        host, port, database: the database that it builds in.
        schema: the schema that the profile gives it; those of its models may add to it.
    """

    name: str
    host: str
    port: int
    database: str
    schema: str

    def shares_database(self, other: "Target") -> bool:
        """Return whether both build in one database. Host names are compared by their addresses."""
        if (self.port, self.database) != (other.port, other.database):
            return False
        return self.host == other.host or bool(_addresses(self.host) & _addresses(other.host))

    def claims(self, schema: str) -> int:
        """Return how many letters of a schema's name match this target.

        The match is its own schema or name, alone or followed by _ and the rest.
        """
        return max(
            (len(name) for name in (self.schema, self.name) if schema == name or schema.startswith(f"{name}_")),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Targets:
    """The current dye target, and the targets that are not for the dye.

    Attributes:
        dye: the current dye target.
        others: PostgreSQL targets that are not dye targets.
        unread: targets whose settings cannot be read here, with the reason.
    """

    dye: Target
    others: list[Target]
    unread: dict[str, str]

    def neighbours(self) -> list[Target]:
        """Return the other targets that build in the dye's database."""
        return [target for target in self.others if target.shares_database(self.dye)]

    def is_apart(self) -> bool:
        """Return whether only the dye uses the database, as far as the profile shows."""
        return bool(self.others) and not self.unread and not self.neighbours()

    def is_dyes(self, schema: str) -> bool:
        """Return whether a schema's name alone shows that it belongs to the dye.

        No other target's name matches it better.
        """
        claimed = self.dye.claims(schema)
        return claimed > max((target.claims(schema) for target in self.neighbours()), default=0)


def read_targets(project: Project) -> Targets:
    """Read the project's profile, without connecting to any database.

    Raises:
        DbtFailed: the profile cannot be read, or not under the dye target.
    """
    from dbt.config.profile import Profile
    from dbt.config.renderer import ProfileRenderer
    from dbt_common.exceptions import DbtRuntimeError

    name, raw = _profile(project)

    def credentials(target: str) -> Any:
        return Profile.from_raw_profile_info(raw, name, ProfileRenderer({}), target_override=target).credentials

    try:
        dye = _target(project.target, credentials(project.target))
    except DbtRuntimeError as error:
        raise DbtFailed(f"dbt cannot read the profile of {project.directory}: {error}") from error
    others, unread = [], {}
    for other, settings in (raw.get("outputs") or {}).items():
        if other in dye_targets(project.directory) or settings.get("type") != "postgres":
            continue
        try:
            others.append(_target(other, credentials(other)))
        except DbtRuntimeError as error:
            unread[other] = in_a_line(str(error))
    return Targets(dye, others, unread)


def target_names(project: Project) -> list[str]:
    """Return the names of all targets of the project's profile.

    Raises:
        DbtFailed: the profile cannot be read.
    """
    return list(_profile(project)[1].get("outputs") or ())


def _profile(project: Project) -> tuple[str, dict[str, Any]]:
    """Return the name of the project's profile, and its content in profiles.yml."""
    from dbt.config.profile import read_profile
    from dbt.config.project import load_raw_project
    from dbt.config.renderer import ProfileRenderer
    from dbt_common.exceptions import DbtRuntimeError

    try:
        name = ProfileRenderer({}).render_value(load_raw_project(str(project.directory)).get("profile"))
        return name, read_profile(project.profiles_directory)[name]
    except (DbtRuntimeError, KeyError) as error:
        raise DbtFailed(f"dbt cannot read the profile of {project.directory}: {error}") from error


def _target(name: str, credentials: Any) -> Target:
    return Target(name, credentials.host, credentials.port, credentials.database, credentials.schema)


def _addresses(host: str) -> set[str]:
    """Return the addresses of a host. All addresses of this machine count as one."""
    if host.startswith("/"):
        return {"this machine"}  # the folder of a socket
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
    return {"this machine" if address.startswith("127.") or address == "::1" else address for address in found}
