"""The targets of a project's profile, and where each of them builds.

This is limited to what can be told from this machine.
"""

import re
import socket
from dataclasses import dataclass
from typing import Any

from angiogram.core.errors import DbtFailed, UnsupportedProject
from angiogram.core.short_message import in_a_line
from angiogram.dbt.manifest.long_names import cut_name
from angiogram.dbt.parse.broken_files import project_file_problem
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import dye_targets
from ingestion.extras import require

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".\s]+)')
"""One part of a qualified name, quoted or not."""


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

    def has_address_of(self, other: "Target") -> bool:
        """Return whether both name one database at one address.

        Host names are compared by their addresses. Two addresses may still lead to one database: through a pooler, a
        tunnel or another name of the host.
        """
        if (self.port, self.database) != (other.port, other.database):
            return False
        return self.host == other.host or bool(_addresses(self.host) & _addresses(other.host))

    def claims(self, schema: str) -> int:
        """Return how many letters of a schema's name match this target.

        The match is its own schema or name, alone or followed by _ and the rest.
        """
        return max(_match(schema, self.schema), _match(schema, self.name))


@dataclass(frozen=True, slots=True)
class Targets:
    """The current dye target, and the targets that are not for the dye.

    Attributes:
        dye: the current dye target.
        others: PostgreSQL targets that are not dye targets.
        unread: targets whose settings cannot be read here, with the reason.
        other_engines: names of targets that are not PostgreSQL.
    """

    dye: Target
    others: list[Target]
    unread: dict[str, str]
    other_engines: list[str]

    def is_dyes(self, schema: str, live_is_known: bool = False) -> bool:
        """Return whether a schema's name alone shows that it belongs to the dye.

        No other target's name matches it better, wherever that target builds. The schema that the profile gives the dye
        target, and those derived from it, may be live ones if the live schemas are not all named here: that their names
        begin with the dye target's may be a coincidence.

        Args:
            schema: its name.
            live_is_known: whether something other than the profile names the live schemas.
        """
        if not live_is_known and (self.unread or not self.others):
            is_results = schema == cut_name(f"{self.dye.name}_results")
            return is_results or (bool(_match(schema, self.dye.name)) and not _match(schema, self.dye.schema))
        return self.dye.claims(schema) > max((target.claims(schema) for target in self.others), default=0)


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
    others, unread, other_engines = [], {}, []
    for other, settings in (raw.get("outputs") or {}).items():
        if other in dye_targets(project.directory):
            continue
        if settings.get("type") != "postgres":
            other_engines.append(other)
            continue
        try:
            others.append(_target(other, credentials(other)))
        except DbtRuntimeError as error:
            unread[other] = in_a_line(str(error))
    return Targets(dye, others, unread, other_engines)


def credentials_of_others(project: Project, engine: str) -> tuple[Any, dict[str, Any]]:
    """Return dbt's credentials of the dye target, and by name those of live targets.

    All targets on an engine that are not for the dye count as live. Where credentials cannot be read here, the reason
    stands in their place.

    Raises:
        DbtFailed: the profile cannot be read, or not under the dye target.
    """
    from dbt.config.profile import Profile
    from dbt.config.renderer import ProfileRenderer
    from dbt_common.exceptions import DbtRuntimeError

    name, raw = _profile(project)

    def credentials(target: str) -> Any:
        return Profile.from_raw_profile_info(raw, name, ProfileRenderer({}), target_override=target).credentials

    others: dict[str, Any] = {}
    for other, settings in (raw.get("outputs") or {}).items():
        if other not in dye_targets(project.directory) and settings.get("type") == engine:
            try:
                others[other] = credentials(other)
            except DbtRuntimeError as error:
                others[other] = in_a_line(str(error))
    try:
        return credentials(project.target), others
    except DbtRuntimeError as error:
        raise DbtFailed(f"dbt cannot read the profile of {project.directory}: {error}") from error


def engine_of_target(project: Project, target: str) -> str:
    """Return dbt's name of the engine of a target.

    It is empty if the profile does not name the target.

    Raises:
        DbtFailed: the profile cannot be read.
    """
    settings = (_profile(project)[1].get("outputs") or {}).get(target) or {}
    return str(settings.get("type") or "")


def require_engine(project: Project, *engines: str) -> None:
    """Require that a dye target is on one of some engines, with its adapter installed.

    Where dbt_project.yml is no YAML, its profile is unknown: the run judges that file itself.

    Args:
        project: the project, which need not be parsed yet.
        engines: dbt's names of the engines.

    Raises:
        ExtraMissing: the adapter is an extra that is not installed.
        UnsupportedProject: the target is on another engine.
        DbtFailed: the profile cannot be read.
    """
    if project_file_problem(project.directory) is not None:
        return
    engine = engine_of_target(project, project.target)
    if engine == "duckdb":
        require("duckdb")
    if engine and engine not in engines:
        raise UnsupportedProject(
            f"Target {project.target} of {project.directory} is on {engine}, and this works on {' and '.join(engines)}."
            + (" The models alone are tested there: angiogram run --from-seeds." if engine == "duckdb" else "")
        )


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


def name_parts(name: str) -> list[str]:
    """Return the parts of a qualified name, unquoted and whole.

    PostgreSQL folds a part without quotes to lower case.
    """
    return [quoted.replace('""', '"') or plain.lower() for quoted, plain in _PART.findall(name)]


def _match(schema: str, name: str) -> int:
    """Return how many letters of a schema's name match another name."""
    whole, beginning = cut_name(name), cut_name(f"{name}_")
    return len(whole) if schema == whole or schema.startswith(beginning) else 0


def _addresses(host: str) -> set[str]:
    """Return the addresses of a host. All addresses of this machine count as one."""
    if host.startswith("/"):
        return {"this machine"}  # the folder of a socket
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
    return {"this machine" if address.startswith("127.") or address == "::1" else address for address in found}
