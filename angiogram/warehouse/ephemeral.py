"""Ephemeral models, compared as all others: for the time of a session a view stands for each that is watched.

One that nothing compares is read once if no table that reads it was built: its SQL may be such that nothing can run it.
"""

from collections.abc import Collection, Iterable, Iterator

from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.core.stage_id import MODEL
from angiogram.dbt.builds import Builds
from angiogram.dbt.command import compiling_all
from angiogram.dbt.manifest.nodes import Node, inlined, is_ephemeral, parents
from angiogram.dbt.project import Project
from angiogram.warehouse.relations import SQL_FAILED, attempted


def show(database: connection, project: Project, builds: Builds) -> dict[str, str]:
    """Make the views; those that are there already are made anew.

    Args:
        database: the session whose comparisons are to read them.
        project: whose models were built.
        builds: what became of them.

    Returns:
        Why an ephemeral model cannot be read, by its dbt id: dbt cannot compile it, or PostgreSQL refuses its SQL. One
        that reads such a model is left out, and so is one that reads what was not built.
    """
    unread = {i: failed.message or failed.status for i, failed in builds.failures(MODEL).items() if _is_one(project, i)}
    asked = sorted(project.shown_ephemeral | set(_unproven(project, builds)))
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
                    query.execute(_statement(project.node_of(unique_id), text))
            except SQL_FAILED as error:
                unread[unique_id] = f"Database Error: {str(error).strip()}"
    return {i: message for i, message in unread.items() if unread.keys().isdisjoint(_above(project, i))}


def is_there(project: Project, builds: Builds, unread: Collection[str], unique_id: str) -> bool:
    """Whether all that an ephemeral model reads was built in every batch, or can be read.

    Args:
        project: whose model it is.
        builds: what became of all nodes.
        unread: ids of the ephemeral models that cannot be read.
        unique_id: dbt's id of the model.
    """
    tables = [above for above in parents(project.manifest, unique_id) if above in project.manifest.nodes]
    return all(_was_built(builds, above) for above in tables) and set(unread).isdisjoint(_above(project, unique_id))


def _unproven(project: Project, builds: Builds) -> Iterator[str]:
    """The ephemeral models whose SQL is in nothing that was built."""
    proven: set[str] = set()
    for unique_id in project.manifest.nodes:
        if _was_built(builds, unique_id) and not _is_one(project, unique_id):
            proven |= set(_above(project, unique_id))
    yield from (i for i in project.manifest.nodes if _is_one(project, i) and i not in proven)


def _above(project: Project, unique_id: str) -> Iterator[str]:
    """The ephemeral models whose SQL dbt puts into that of a node."""
    return inlined(project.manifest, unique_id)


def _compiled(project: Project, unique_ids: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The SQL of ephemeral models, with that of those that they read, and why others have none, by dbt's id."""
    select = (f"fqn:{'.'.join(project.manifest.nodes[unique_id].fqn)}" for unique_id in unique_ids)
    with compiling_all():
        results = project.invoke(["compile", "--select", *select]).answer.results
    compiled = [result for result in results if _is_one(project, result.node.unique_id)]
    return (
        {found.node.unique_id: found.node.compiled_code for found in compiled if found.status == "success"},
        {found.node.unique_id: found.message for found in compiled if found.status == "error"},
    )


def _statement(node: Node | None, text: str) -> sql.Composable:
    """What makes the view of a model that is compared, or else reads every column of it.

    The SQL is put in brackets, as dbt does in a reader: a semicolon is no end there, and a last line may be a comment.
    """
    made = sql.SQL("(\n{}\n)").format(sql.SQL(text))
    if node is None:
        return sql.SQL("select count(to_jsonb(made.*)) from {} as made").format(made)
    return sql.SQL("create view {} as {}").format(sql.SQL(node.relation), made)


def _is_one(project: Project, unique_id: str) -> bool:
    node = project.manifest.nodes.get(unique_id)
    return node is not None and is_ephemeral(node)


def _was_built(builds: Builds, unique_id: str) -> bool:
    build = builds.of(unique_id)
    return build is not None and build.failure is None and not build.was_skipped
