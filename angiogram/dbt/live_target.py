"""The dbt project under the live target, as production builds it.

It is parsed here, without contacting a server.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angiogram.core.errors import DbtFailed
from angiogram.core.short_message import in_a_line
from angiogram.core.stage_id import MODEL, TARGET, StageId
from angiogram.dbt.project import Project
from ingestion.settings.environ import changed, environment

_SECRET = re.compile(r"\bDBT_ENV_SECRET_\w+")
_NOT_NEEDED = "not-set-and-not-needed"
_FAULTY = re.compile(r"\b[Mm]odel '?(?:model\.\w+\.)?(?P<name>[\w.]+)'? \((?P<file>[^()]+)\)")
"""How dbt names the model at fault, such as `Compilation Error in model orders (models/orders.sql)`."""


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """The project under the live target.

    Attributes:
        name: of the target.
        manifest: dbt's manifest of the project under this target.
        database, schema: the database and schema that its profile names.
        dye_database, dye_schema: those of the dye target.
    """

    name: str
    manifest: Any
    database: str
    schema: str
    dye_database: str
    dye_schema: str

    @property
    def adapter(self) -> str:
        """Return dbt's name of its engine."""
        return str(self.manifest.metadata.adapter_type)


@dataclass(frozen=True, slots=True)
class Unread:
    """Why the project could not be read under the live target.

    Attributes:
        reason: in words.
        is_fault: whether the project's own files are at fault, so that production cannot build it either.
        stage: the model at fault if it is known, else the target.
        file: its file, relative to the project's folder; None if unknown.
    """

    reason: str
    is_fault: bool
    stage: StageId
    file: str | None = None


@dataclass(frozen=True, slots=True)
class OnOtherEngine:
    """A live target that was not read, because it is on another engine than the dye target.

    Attributes:
        name: of the target.
        adapter: dbt's name of its engine.
    """

    name: str
    adapter: str


def read(project: Project, target: str) -> LiveTarget | Unread:
    """Parse a project under the live target, without contacting a server.

    Args:
        project: the project that the dye passes through.
        target: name of the live target.
    """
    from dbt.config.runtime import load_profile
    from dbt.exceptions import DbtProfileError, EnvVarMissingError
    from dbt_common.exceptions import DbtBaseException

    try:
        with secrets_set(project):
            manifest = project.manifest_under(target)
            of_live, of_dye = (
                load_profile(str(project.directory), {}, None, name).credentials for name in (target, project.target)
            )
    except DbtFailed as error:
        cause = error.__cause__
        faulty = _FAULTY.search(str(cause))
        return Unread(
            reason=in_a_line(str(cause)).rstrip("."),
            is_fault=not isinstance(cause, DbtProfileError | EnvVarMissingError),
            stage=StageId(MODEL, faulty["name"]) if faulty else StageId(TARGET, target),
            file=faulty["file"] if faulty else None,
        )
    except DbtBaseException as error:
        return Unread(in_a_line(str(error)).rstrip("."), False, StageId(TARGET, target))
    return LiveTarget(target, manifest, of_live.database, of_live.schema, of_dye.database, of_dye.schema)


@contextmanager
def secrets_set(project: Project) -> Iterator[None]:
    """Set placeholders for secrets that profiles name and the environment does not set.

    No server is contacted, so they are never used.
    """
    file = Path(project.profiles_directory) / "profiles.yml"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    missing = set(_SECRET.findall(text)) - environment().keys()
    with changed(dict.fromkeys(missing, _NOT_NEEDED)):
        yield
