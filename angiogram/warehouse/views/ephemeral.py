"""Makes ephemeral models readable, so that they are compared like all others.

Each watched ephemeral model gets a temporary view for the time of a session. One that is not compared is read once if
no table that reads it was built, because its SQL may not run at all.
"""

from collections.abc import Collection, Iterable, Iterator

from psycopg2 import sql

from angiogram.core.stage_id import MODEL
from angiogram.dbt.builds import Builds
from angiogram.dbt.command import compiling_all
from angiogram.dbt.manifest.lookup import is_node, node_if_known, node_with_id, nodes_by_id
from angiogram.dbt.manifest.nodes import Node, inlined, is_ephemeral, parents
from angiogram.dbt.project import Project
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Engine, Warehouse
from angiogram.warehouse.relations import SQL_FAILED, attempted


def show(database: Warehouse, project: Project, builds: Builds) -> dict[str, str]:
    """Make the views. Existing ones are replaced.

    Args:
        database: the session whose comparisons read the views.
        project: the project whose models were built.
        builds: the build results of its nodes.

    Returns:
        Why an ephemeral model cannot be read, by its dbt id: dbt cannot compile it, or the database refuses its SQL.
        Models that read such a model, or a model that was not built, are left out.
    """
    unread = {i: failed.message or failed.status for i, failed in builds.failures(MODEL).items() if _is_one(project, i)}
    asked = sorted(project.shown_ephemeral | set(_unproven(project, builds)))
    if project.part:
        asked = [unique_id for unique_id in asked if unique_id in project.part.built]
    texts: dict[str, str] = {}
    if ready := [i for i in asked if i not in unread and is_there(project, builds, unread, i)]:
        texts, uncompiled = _compiled(project, ready)
        unread |= uncompiled
    with database.cursor() as query:
        for unique_id in asked:
            if node := project.node_of(unique_id):
                query.execute(sql.SQL("drop view if exists {}").format(sql.SQL(node.relation)))
        for unique_id, text in texts.items():
            try:
                with attempted(query):
                    query.execute(_statement(engine_of(query), project.node_of(unique_id), text))
            except SQL_FAILED as error:
                unread[unique_id] = f"Database Error: {str(error).strip()}"
    return {i: message for i, message in unread.items() if unread.keys().isdisjoint(_above(project, i))}


def is_there(project: Project, builds: Builds, unread: Collection[str], unique_id: str) -> bool:
    """Whether everything that an ephemeral model reads was built in every batch or is readable.

    Args:
        project: the model's project.
        builds: the build results of all nodes.
        unread: ids of the ephemeral models that cannot be read.
        unique_id: dbt's id of the model.
    """
    tables = [above for above in parents(project.manifest, unique_id) if is_node(project.manifest, above)]
    return all(_was_built(builds, above) for above in tables) and set(unread).isdisjoint(_above(project, unique_id))


def _unproven(project: Project, builds: Builds) -> Iterator[str]:
    """The ephemeral models whose SQL is not part of anything that was built."""
    proven: set[str] = set()
    for unique_id in nodes_by_id(project.manifest):
        if _was_built(builds, unique_id) and not _is_one(project, unique_id):
            proven |= set(_above(project, unique_id))
    yield from (i for i in nodes_by_id(project.manifest) if _is_one(project, i) and i not in proven)


def _above(project: Project, unique_id: str) -> Iterator[str]:
    """The ephemeral models whose SQL dbt puts into a node's SQL."""
    return inlined(project.manifest, unique_id)


def _compiled(project: Project, unique_ids: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Compile ephemeral models: the SQL of each by dbt's id, and errors by dbt's id.

    The SQL includes that of the ephemeral models that they read.
    """
    select = (f"fqn:{'.'.join(node_with_id(project.manifest, unique_id).fqn)}" for unique_id in unique_ids)
    with compiling_all():
        results = project.invoke(["compile", "--select", *select]).answer.results
    compiled = [result for result in results if _is_one(project, result.node.unique_id)]
    return (
        {found.node.unique_id: found.node.compiled_code for found in compiled if found.status == "success"},
        {found.node.unique_id: found.message for found in compiled if found.status == "error"},
    )


def _statement(engine: Engine, node: Node | None, text: str) -> sql.Composable:
    """Statement that makes the view of a compared model, or else reads all columns once.

    The SQL is put in brackets, as dbt does in a reader, so that a semicolon fails as it would there. The brackets have
    lines of their own, since the last line may be a comment.
    """
    made = sql.SQL("(\n{}\n)").format(sql.SQL(text))
    if node is None:
        return engine.counting_all(made)
    return sql.SQL("create temporary view {} as {}").format(sql.SQL(node.relation), made)


def _is_one(project: Project, unique_id: str) -> bool:
    node = node_if_known(project.manifest, unique_id)
    return node is not None and is_ephemeral(node)


def _was_built(builds: Builds, unique_id: str) -> bool:
    build = builds.of(unique_id)
    return build is not None and build.failure is None and not build.was_skipped
