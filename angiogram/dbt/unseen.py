"""Finds Jinja that may do something else in production and that no compilation shows.

Hooks that query the database cannot be compiled without one. Materializations, incremental strategies and what a
project puts in the place of dbt's own macros for them run only while something is built. Where one of them asks for the
target, the environment, flags or the command, it is red unless angiogram.yml lists it.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from angiogram.core.stage_id import HOOK, OPERATION, StageId
from angiogram.dbt.manifest.macros import CIRCUMSTANCES, asks, asks_in, called, is_internal
from angiogram.dbt.package.own_hooks import OWN
from angiogram.dbt.stand_ins import hook_texts

_STRATEGY = re.compile(r"get_incremental_\w+_sql")
_PREFIX = re.compile(r"^[a-z]+__")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that may differ in a live build without a compilation to show it.

    Attributes:
        stage: the hook, the seed, or the first model that is built with it.
        file: its file, relative to the project's folder; None if unknown.
        text: what it is, as a sentence.
        entry: what lists it as intended in angiogram.yml.
        fingerprint: of its text and of the macros that it calls.
        is_listed: whether angiogram.yml lists it as a macro.
    """

    stage: StageId
    file: str | None
    text: str
    entry: str
    fingerprint: str
    is_listed: bool = False


def unseen(
    manifest: Any, uncompared: Iterable[str], in_hooks: Iterable[str], listed: Collection[str]
) -> dict[str, Unseen]:
    """Return what no compilation shows and may differ, by the name of the hook, seed or macro.

    Args:
        manifest: of the project under the live target.
        uncompared: dbt's IDs of what could not be compiled.
        in_hooks: dbt's IDs of the models whose hooks could not be compiled.
        listed: names of the macros that angiogram.yml lists as intended.
    """
    found: dict[str, Unseen] = {}
    for unique_id in sorted(uncompared):
        node = manifest.nodes.get(unique_id)
        if node is None or node.resource_type not in (OPERATION, "seed"):
            continue
        is_hook = node.resource_type == OPERATION
        stage = StageId(HOOK if is_hook else "seed", node.name)
        texts = [node.raw_code] if is_hook else hook_texts(node)
        file = node.original_file_path.removeprefix("./")
        found |= _listed(manifest, stage, called(manifest, node.depends_on.macros, OWN), listed)
        if asks(CIRCUMSTANCES, manifest, texts, node, OWN | set(listed)):
            what = f"{stage} depends on the target or on other conditions of its run, and queries the database."
            mark = _fingerprint_of(manifest, texts, node)
            found[node.name] = Unseen(stage, file, what, f"{stage.kind}: {node.name}", mark)
    for unique_id in sorted(in_hooks):
        node = manifest.nodes.get(unique_id)
        if node is None:
            continue
        stage, texts = StageId(str(node.resource_type), node.search_name), hook_texts(node)
        named = {word for text in texts for word in re.findall(r"\w+", text)}
        macros = (manifest.macros.get(macro) for macro in node.depends_on.macros)
        roots = [macro.unique_id for macro in macros if macro is not None and macro.name in named]
        followed = list(called(manifest, roots, OWN | set(listed)))
        found |= _listed(manifest, stage, called(manifest, roots, OWN), listed)
        texts += [macro.macro_sql for macro in followed]
        if asks_in(CIRCUMSTANCES, texts):
            what = (
                f"A hook of {stage} depends on the target or on other conditions of its run, and queries the database."
            )
            mark = fingerprint(texts)
            file = node.original_file_path.removeprefix("./")
            found[node.search_name] = Unseen(stage, file, what, f"model: {node.search_name}", mark)
    for macro, user in _at_build_time(manifest):
        stage = StageId(str(user.resource_type), user.search_name)
        followed, but = [macro, *called(manifest, macro.depends_on.macros, OWN)], OWN | set(listed)
        found |= _listed(manifest, stage, followed, listed)
        texts = [macro.macro_sql]
        if macro.name not in but and asks(CIRCUMSTANCES, manifest, texts, macro, but):
            what = (
                f"{stage} is built with the macro {macro.name}, which depends on the target or on other conditions of "
                "the build."
            )
            mark = _fingerprint_of(manifest, texts, macro)
            found.setdefault(macro.name, Unseen(stage, macro.original_file_path, what, f"macro: {macro.name}", mark))
    return found


def fingerprint(texts: Iterable[str]) -> str:
    """Return what tells texts from others, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:12]


def _listed(manifest: Any, stage: StageId, macros: Iterable[Any], listed: Collection[str]) -> dict[str, Unseen]:
    """The listed ones among the macros."""
    return {
        macro.name: Unseen(
            stage,
            macro.original_file_path,
            f"{stage} uses the macro {macro.name}.",
            f"macro: {macro.name}",
            _fingerprint_of(manifest, [macro.macro_sql], macro),
            is_listed=True,
        )
        for macro in macros
        if macro.name in listed
    }


def _fingerprint_of(manifest: Any, texts: Iterable[str], node: Any) -> str:
    return fingerprint([*texts, *(macro.macro_sql for macro in called(manifest, node.depends_on.macros))])


def _at_build_time(manifest: Any) -> Iterator[tuple[Any, Any]]:
    """Yield macros of projects that run while nodes are built, with the first such node."""
    users: dict[str, Any] = {}
    for node in manifest.nodes.values():
        if node.resource_type in ("model", "seed", "snapshot"):
            users.setdefault(node.config.materialized, node)
    project, adapter = manifest.metadata.project_name, manifest.metadata.adapter_type
    for materialized, user in users.items():
        root = manifest.find_materialization_macro_by_name(project, materialized, adapter)
        if root is None:
            continue
        roots = [root.unique_id]
        if materialized == "incremental":
            roots += [i for i, macro in manifest.macros.items() if _STRATEGY.fullmatch(_PREFIX.sub("", macro.name))]
        names, entries = _reached(manifest, roots)
        of_project = (macro for macro in manifest.macros.values() if macro.package_name == project)
        overriding = {i.unique_id: i for i in of_project if {i.name, _PREFIX.sub("", i.name)} & names}
        yield from ((macro, user) for macro in (entries | overriding).values())


def _reached(manifest: Any, roots: list[str]) -> tuple[set[str], dict[str, Any]]:
    """Names of dbt's own macros that these reach, and the macros that dbt's own call."""
    names: set[str] = set()
    entries: dict[str, Any] = {}
    seen: set[str] = set()
    ahead = [(root, True) for root in roots]
    while ahead:
        unique_id, is_called_by_dbt = ahead.pop()
        macro = manifest.macros.get(unique_id)
        if macro is None:
            continue
        if is_internal(manifest, macro):
            names.add(macro.name)
        elif is_called_by_dbt:
            entries[unique_id] = macro
        if unique_id not in seen and macro.name not in OWN:
            seen.add(unique_id)
            ahead += [(called_by_it, is_internal(manifest, macro)) for called_by_it in macro.depends_on.macros]
    return names, entries
