"""Checks before a build that hooks under a dye target write in its own schemas only."""

from collections.abc import Callable, Collection

from angiogram.core.errors import NotTheDyes
from angiogram.dbt.hooks.hook_writes import HookWrite
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse


def require_own(
    database: Warehouse,
    target: str,
    found: Collection[HookWrite],
    own: Collection[str],
    is_like_own: Callable[[str], bool],
    live_schemas: Callable[[], Collection[str]],
) -> None:
    """Require that no hook writes outside of the dye's schemas.

    A hook may also make a schema and write what hooks make in it, unless that schema is known to be live.

    Args:
        database: a session of the dye target.
        target: its name.
        found: what the hooks write.
        own: the schemas that dbt writes under the target.
        is_like_own: whether a schema's name shows that it is the dye's too.
        live_schemas: returns the schemas that are known to be live, or of another dye.

    Raises:
        NotTheDyes: a hook writes elsewhere; the message names it.
    """
    made = {(one.write.schema, one.write.name) for one in found if one.write.verb.startswith("create")}
    with database.cursor() as query:
        outside = [
            (one, schema)
            for one in found
            if one.write.verb != "create schema"
            and not one.write.is_temporary
            and (one.write.schema is not None or (None, one.write.name) not in made)
            and (schema := one.write.schema or engine_of(query).schema_of(query, one.write.name)) is not None
            and not schema.startswith("pg_temp")
            and schema not in own
        ]
    if not outside:
        return
    live = live_schemas()
    refused = [
        one
        for one, schema in outside
        if schema in live or not (is_like_own(schema) or {(schema, None), (one.write.schema, one.write.name)} <= made)
    ]
    if refused:
        told = dict.fromkeys(f"{one.hook}: {one.write}" for one in refused)
        raise NotTheDyes(
            f"A build of target {target} would write outside of the dye's schemas: {'; '.join(told)}. Nothing was "
            "built. Let such a statement write where the dye builds ({{ this }}, {{ target.schema }}), or leave "
            "it out under a dye target: {% if not data_angiogram.is_dye_target() %} "
            "(docs/your-project.md, step 1)."
        )
