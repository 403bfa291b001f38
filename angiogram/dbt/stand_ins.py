"""Lets `dbt compile` render what it passes over: hooks of projects and of seeds.

Each gets a model of its own in the manifest for the time of a compilation. Ephemeral models can stand as views.
"""

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from angiogram.core.stage_id import OPERATION
from angiogram.dbt.command import forget_ephemeral
from angiogram.dbt.seeds.dye_seeds import is_dye_seed

_RESULTS = (
    *(("model", status) for status in ("success", "error", "skipped")),
    *(("seed", "success"), ("snapshot", "success")),
    *(("test", status) for status in ("pass", "fail", "warn", "error")),
)
_RESULT = (
    "{'status': '%(status)s', 'unique_id': '%(kind)s.any', 'message': '', 'failures': 0, 'execution_time': 0,"
    " 'thread_id': 'Thread-1', 'timing': [], 'adapter_response': {}, 'node': {'unique_id': '%(kind)s.any',"
    " 'name': 'any_%(kind)s', 'alias': 'any_%(kind)s', 'resource_type': '%(kind)s', 'package_name': project_name,"
    " 'schema': target.schema, 'database': target.database, 'path': '', 'original_file_path': '', 'fqn': [],"
    " 'relation_name': target.schema ~ '.any_%(kind)s', 'tags': [], 'meta': {}, 'columns': {},"
    " 'config': {'materialized': '%(kind)s' if '%(kind)s' != 'model' else 'table', 'tags': [], 'meta': {}}}}"
)
_AT_THE_END = (
    f"{{% set results = [{', '.join(_RESULT % {'kind': kind, 'status': status} for kind, status in _RESULTS)}] %}}"
    "{% set schemas, database_schemas = [target.schema], [(target.database, target.schema)] %}"
)
"""Variables that dbt gives hooks at the end of a command. Loops over them are passed once for each way to end."""


_RECORDING = ("record_node_results", "record_live_nodes", "print_differences")
"""Macros of angiogram itself that record or show the results of each target in its own way, on purpose."""

_NOTHING_BUILT = "{% set results, schemas, database_schemas = [], [], [] %}"
"""The same for hooks that call them."""


@contextmanager
def standing_in(manifest: Any, with_dye: bool = False) -> Iterator[dict[str, str]]:
    """Add the stand-ins to a manifest, and remove them afterwards.

    Args:
        manifest: of the parsed project.
        with_dye: also for the hooks of snapshots and of the dye's seeds.

    Yields:
        The IDs of the hooks and seeds by those of their stand-ins.
    """
    pattern = next((n for n in manifest.nodes.values() if n.resource_type == "model" and n.language == "sql"), None)
    standing: dict[str, str] = {}
    for node in list(manifest.nodes.values()) if pattern else ():
        is_seed = node.resource_type == "seed" and (with_dye or not is_dye_seed(node))
        if node.resource_type == OPERATION or is_seed or (with_dye and node.resource_type == "snapshot"):
            made = _stand_in(pattern, node)
            manifest.nodes[made.unique_id] = made
            standing[made.unique_id] = node.unique_id
    try:
        yield standing
    finally:
        for unique_id in standing:
            del manifest.nodes[unique_id]


def _stand_in(pattern: Any, node: Any) -> Any:
    made = copy.deepcopy(pattern)
    made.name = f"angiogram_{node.resource_type}_{node.name}"
    made.unique_id = f"model.{node.package_name}.{made.name}"
    made.package_name, made.fqn = node.package_name, [node.package_name, made.name]
    made.version, made.latest_version = None, None
    made.config.materialized, made.config.pre_hook, made.config.post_hook = "table", [], []
    made.refs, made.sources = [], []
    made.depends_on = type(pattern.depends_on)(macros=list(node.depends_on.macros))
    if node.resource_type == OPERATION:
        made.refs, made.sources = list(node.refs), list(node.sources)
        made.depends_on.nodes = list(node.depends_on.nodes)
        is_own = any(macro.rpartition(".")[2] in _RECORDING for macro in node.depends_on.macros)
        made.raw_code = (_NOTHING_BUILT if is_own else _AT_THE_END) + node.raw_code
    else:
        made.raw_code = ";\n".join(hook_texts(node))
        made.database, made.schema, made.alias = node.database, node.schema, node.alias
        made.relation_name = node.relation_name
    return made


def hook_texts(node: Any) -> list[str]:
    """Return the texts of a model's or seed's own hooks."""
    return [hook.sql for hook in (*node.config.pre_hook, *node.config.post_hook)]


@contextmanager
def as_views(manifest: Any, unique_ids: Collection[str]) -> Iterator[None]:
    """Make dbt compile some ephemeral models as if they were views.

    Their readers then contain their names instead of their SQL.
    """
    forget_ephemeral(manifest)
    for unique_id in unique_ids:
        manifest.nodes[unique_id].config.materialized = "view"
    try:
        yield
    finally:
        for unique_id in unique_ids:
            manifest.nodes[unique_id].config.materialized = "ephemeral"
        forget_ephemeral(manifest)
