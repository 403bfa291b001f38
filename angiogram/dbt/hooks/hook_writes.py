"""What the hooks of a project write by name under the dye target.

Hooks of the project, its packages, models, seeds and snapshots are compiled without a server. Of a hook that queries
the database while it is compiled, the texts in its own Jinja are read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jinja2

from angiogram.dbt.command import OPERATION
from angiogram.dbt.compiled_forms import FIRST, HOOKS, compile_forms
from angiogram.dbt.hooks.sql_writes import Write, writes
from angiogram.dbt.package.installing import PACKAGE
from angiogram.dbt.project import Project
from angiogram.dbt.stand_ins import hook_texts
from angiogram.dbt.unseen import OWN

_OWN_CALL = re.compile(rf"\s*\{{\{{-?\s*(?:{PACKAGE}\.)?(?:{'|'.join(sorted(OWN))})\([^{{}}]*\)\s*-?\}}\}}\s*")
_THIS = re.compile(r"\{\{-?\s*this\s*-?\}\}")
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
        texts = [text for text in _texts(node) if not _OWN_CALL.fullmatch(text)]
        plain = [_THIS.sub(lambda _, node=node: node.relation_name or "", text) for text in texts]  # type: ignore[misc]
        if any("{" in text for text in plain):
            asked[node.unique_id] = node
        else:
            found += _told(node, plain)
    if asked:
        models = {unique_id for unique_id, node in asked.items() if node.resource_type == "model"}
        only = {FIRST: asked.keys() - models, HOOKS: models}
        forms = compile_forms(project.manifest, project.compile, (), only, with_dye=True)
        for unique_id, node in asked.items():
            text = forms.texts[HOOKS if unique_id in models else FIRST].get(unique_id)
            found += _told(node, [text] if text is not None else list(_literals(_texts(node))))
    return found


def _texts(node: Any) -> list[str]:
    if node.resource_type == OPERATION:
        return [node.raw_code]
    return hook_texts(node) if node.resource_type in ("model", "seed", "snapshot") else []


def _told(node: Any, texts: list[str]) -> Iterator[HookWrite]:
    is_of_project = node.resource_type == OPERATION
    hook = f"hook {node.name}" if is_of_project else f"a hook of {node.resource_type} {node.name}"
    for text in texts:
        yield from (HookWrite(hook, write) for write in writes(text))


def _literals(texts: list[str]) -> Iterator[str]:
    """The SQL around the Jinja of hooks, and the texts within it."""
    for text in texts:
        yield _JINJA.sub(" ", text)
        try:
            tree = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(text)
        except jinja2.TemplateSyntaxError:  # a tag of dbt's own
            continue
        yield from (const.value for const in tree.find_all(jinja2.nodes.Const) if isinstance(const.value, str))
