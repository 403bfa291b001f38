"""What hooks, and queries in the Jinja of models, write by name under the dye target.

Hooks of the project, its packages, models, seeds and snapshots are compiled without a server. Of a hook that queries
the database while it is compiled, the texts in its own Jinja and in the macros that it calls are read, and so are those
of such a model. So are the SQL headers of models, and macros that take the place of dbt's own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jinja2

from angiogram.core.stage_id import OPERATION
from angiogram.dbt.compiled_forms import FIRST, HOOKS, compile_forms
from angiogram.dbt.hooks.sql_writes import Write, writes
from angiogram.dbt.manifest.lookup import nodes_of
from angiogram.dbt.manifest.macros import asks, called, is_internal
from angiogram.dbt.package.own_hooks import OWN, OWN_CALL
from angiogram.dbt.project import Project
from angiogram.dbt.stand_ins import hook_texts

_QUERIES = re.compile(r"\b(?:run_query|statement|adapter\.execute)\b")
_THIS = re.compile(r"\{\{-?\s*this\s*-?\}\}")
_UNKNOWN = "what_jinja_returns"
"""Stands for what Jinja returns in a text that is not compiled."""

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HookWrite:
    """What a hook writes.

    Attributes:
        hook: which, in words.
        write: what it writes.
    """

    hook: str
    write: Write


def hook_writes(project: Project) -> list[HookWrite]:
    """Return what the project's hooks write by name.

    Hooks that only call macros of angiogram are left out.

    Raises:
        DbtFailed: dbt cannot compile at all.
    """
    found: list[HookWrite] = []
    asked: dict[str, Any] = {}
    for node in project.manifest.nodes.values():
        texts = [text for text in _texts(node) if not OWN_CALL.fullmatch(text)]
        plain = [_THIS.sub(lambda _, node=node: node.relation_name or "", text) for text in texts]  # type: ignore[misc]
        if any("{" in text for text in plain):
            asked[node.unique_id] = node
        else:
            found += _told(node, plain)
    querying = {node.unique_id: node for node in nodes_of(project.manifest, "model") if _may_query(project, node)}
    if asked or querying:
        models = {unique_id for unique_id, node in asked.items() if node.resource_type == "model"}
        only = {FIRST: {*asked.keys() - models, *querying}, HOOKS: models}
        forms = compile_forms(project.manifest, project.compile, (), only, with_dye=True)
        for unique_id, node in asked.items():
            text = forms.texts[HOOKS if unique_id in models else FIRST].get(unique_id)
            found += _told(node, [text] if text is not None else list(_literals(_texts(node))))
        for unique_id in querying.keys() & forms.asking:
            found += _of_queries(project, querying[unique_id])
        for unique_id in asked.keys() & (forms.asking | forms.asking_in_hooks):
            found += _of_macros(project, asked[unique_id])
    return [*found, *_of_headers(project), *_of_overrides(project)]


def _of_macros(project: Project, node: Any) -> Iterator[HookWrite]:
    """What the queries in macros that a hook calls write by name."""
    macros = called(project.manifest, node.depends_on.macros, OWN)
    for macro in macros:
        if _QUERIES.search(macro.macro_sql):
            for text in [*_constants([macro.macro_sql]), *_blocks(macro.macro_sql)]:
                yield from (HookWrite(f"the macro {macro.name} of {_hook_of(node)}", write) for write in _whole(text))


def _of_headers(project: Project) -> Iterator[HookWrite]:
    """What the SQL headers of models write by name."""
    for node in nodes_of(project.manifest, "model"):
        texts = [str(node.config.get("sql_header") or "")]
        if "set_sql_header" in node.raw_code:
            texts += _blocks(node.raw_code)
        for text in texts:
            yield from (HookWrite(f"the SQL header of model {node.name}", write) for write in _whole(text))


def _of_overrides(project: Project) -> Iterator[HookWrite]:
    """What macros write by name that take the place of dbt's own: each build calls them."""
    macros = list(project.manifest.macros.values())
    of_dbt = {macro.name for macro in macros if is_internal(project.manifest, macro)}
    for macro in macros:
        if macro.name in of_dbt and not is_internal(project.manifest, macro) and macro.name not in OWN:
            text = _JINJA.sub(lambda found: _UNKNOWN if found[0].startswith("{{") else ";", macro.macro_sql)
            yield from (HookWrite(f"the macro {macro.name}", write) for write in _whole(text))


def _whole(text: str) -> Iterator[Write]:
    """What a text writes whose place stands in the text as a whole, and not in Jinja."""
    for write in writes(text):
        if write.schema is not None and _UNKNOWN not in f"{write.schema} {write.name}":
            yield write


def _blocks(text: str) -> Iterator[str]:
    """The texts of blocks that Jinja calls or sets with: `call statement()`, `set query`."""
    for block in _parsed(text).find_all((jinja2.nodes.CallBlock, jinja2.nodes.AssignBlock)):
        yield "".join(
            part.data if isinstance(part, jinja2.nodes.TemplateData) else f" {_UNKNOWN} "
            for output in block.find_all(jinja2.nodes.Output)
            for part in output.nodes
        )


def _may_query(project: Project, node: Any) -> bool:
    """Whether a model's Jinja may run statements."""
    return asks(_QUERIES, project.manifest, [node.raw_code], node, OWN)


def _of_queries(project: Project, node: Any) -> Iterator[HookWrite]:
    """What the texts in a model's Jinja, and in macros that it calls, write by name."""
    macros = called(project.manifest, node.depends_on.macros, OWN)
    texts = [node.raw_code, *(macro.macro_sql for macro in macros if _QUERIES.search(macro.macro_sql))]
    for text in _constants(texts):
        yield from (HookWrite(f"a query in the Jinja of model {node.name}", write) for write in writes(text))


def _texts(node: Any) -> list[str]:
    if node.resource_type == OPERATION:
        return [node.raw_code]
    return hook_texts(node) if node.resource_type in ("model", "seed", "snapshot") else []


def _hook_of(node: Any) -> str:
    return f"hook {node.name}" if node.resource_type == OPERATION else f"a hook of {node.resource_type} {node.name}"


def _told(node: Any, texts: list[str]) -> Iterator[HookWrite]:
    for text in texts:
        yield from (HookWrite(_hook_of(node), write) for write in writes(text))


def _literals(texts: list[str]) -> Iterator[str]:
    """The SQL around the Jinja of hooks, and the texts within it."""
    yield from (_JINJA.sub(" ", text) for text in texts)
    yield from _constants(texts)


def _constants(texts: list[str]) -> Iterator[str]:
    """The texts within Jinja."""
    for text in texts:
        yield from (const.value for const in _parsed(text).find_all(jinja2.nodes.Const) if isinstance(const.value, str))


def _parsed(text: str) -> jinja2.nodes.Template:
    """Jinja as a tree, which is empty where a tag is dbt's own."""
    try:
        return jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(text)
    except jinja2.TemplateSyntaxError:
        return jinja2.nodes.Template([])
