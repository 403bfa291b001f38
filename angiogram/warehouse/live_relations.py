"""What live targets build or read in the dye's database, as far as it is known.

The project under the other targets of the profile tells, the record of the last live build, and the accepted surface.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection

from angiogram.core.errors import DbtFailed
from angiogram.dbt.manifest.lookup import all_nodes, sources_by_id
from angiogram.dbt.project import Project
from angiogram.dbt.targets import Target, Targets
from angiogram.warehouse.same_database import locate

_LIVE_NODES = "angiogram.live_nodes"


@dataclass(frozen=True, slots=True)
class KnownLive:
    """Relations that are known to be live, wherever that is written down.

    Attributes:
        target: the live target.
        relations: what it builds or reads, as `schema.name` or `database.schema.name`, not quoted.
        said_by: where that is written.
    """

    target: str
    relations: list[str]
    said_by: str


def noted_live(database: connection, known_live: KnownLive | None) -> list[dict[str, Any]]:
    """Return what is written down as live, as the macro dye_schemas takes it.

    Args:
        database: a session of the dye target.
        known_live: what the accepted surface names as live.
    """
    return [*_as_live(_recorded(database), True), *_as_live(_told(known_live), False)]


def all_live(
    database: connection, project: Project, targets: Targets, known_live: KnownLive | None, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return what is known to be live, and what the other targets write or read.

    What a target builds that is shown to build in another database is left out.

    Args:
        database, known_live: as for `noted_live`.
        project: the parsed project.
        targets: the targets of its profile.
        say: receives messages about targets that cannot be read or asked here.
    """
    found = locate(database, project, targets)
    for name, why in targets.unread.items():
        say(f"Target {name} cannot be read here, so only the relations that it has already built are known: {why}")
    for name, why in found.unknown.items():
        say(
            f"The database of target {name} cannot be compared with the dye's, so relations of that target that exist "
            f"here count as live unless they are marked as the dye's: {why}"
        )
    live = [*_as_live(_recorded(database), True)]
    for target in targets.others:
        if target.name not in found.elsewhere:
            is_here = target in found.here
            live += _as_live(_of_target(project, target, "" if is_here else ", perhaps in this database", say), is_here)
    if known_live and known_live.target not in found.elsewhere:
        live += _as_live(_told(known_live), known_live.target in [target.name for target in found.here])
    return live


def _as_live(relations: Iterable[tuple[str, str]], is_certain: bool) -> Iterator[dict[str, Any]]:
    for relation, used_by in relations:
        yield {"relation": relation, "used_by": used_by, "is_certain": is_certain}


def _told(known_live: KnownLive | None) -> Iterator[tuple[str, str]]:
    """The relations that the accepted surface names, quoted."""
    for relation in known_live.relations if known_live else ():
        parts = relation.rsplit(".", 2)[-2:]
        yield ".".join('"' + part.replace('"', '""') + '"' for part in parts), known_live.said_by if known_live else ""


def _recorded(database: connection) -> Iterator[tuple[str, str]]:
    """What the live target of any pipeline last built, if dbt keeps a record of it."""
    with database.cursor() as query:
        query.execute("select coalesce(has_table_privilege(to_regclass(%s), 'select'), false)", (_LIVE_NODES,))
        if query.fetchone() == (True,):
            query.execute("select relation, pipeline from angiogram.live_nodes")
            for relation, pipeline in query.fetchall():
                yield relation, f"the live target{' of ' * bool(pipeline)}{pipeline} built it"


def _of_target(project: Project, target: Target, place: str, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """What a target writes, and the sources that it reads."""
    try:
        manifest = project.manifest_under(target.name)
    except DbtFailed as error:
        say(f"Target {target.name} cannot be read here, so only the relations that it has built are known: {error}")
        return
    for node in all_nodes(manifest):
        if node.relation_name:
            yield node.relation_name, f"target {target.name} builds it{place}"
    read = {parent for node in all_nodes(manifest) for parent in node.depends_on_nodes}
    for unique_id, source in sources_by_id(manifest).items():
        if unique_id in read:
            yield source.relation_name, f"target {target.name} reads it{place}"
