"""Compiles every model for a dbt target in both forms of is_incremental().

No server is needed. The target's hooks are compiled too. A model whose compilation queries the database is left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jinja2

from angiogram.dbt.command import compiling_all, forget_ephemeral

FIRST, LATER, HOOKS = "first build", "incremental build", "hooks"
"""The forms."""

_IS_INCREMENTAL = "macro.dbt.is_incremental"
_ANSWERS = {FIRST: "false", LATER: "true", HOOKS: "model.config.materialized == 'incremental'"}
_ASKS_THE_DATABASE = "connection never acquired"
_OPENING = re.compile(r"\{%-?\s*macro\s.*?%\}", re.DOTALL)
_CLOSING = re.compile(r"\{%-?\s*endmacro\s*-?%\}\s*\Z")
_MARK = re.compile(r"/\*angiogram:(?:begin (?P<call>.*?)|end)\*/", re.DOTALL)

Invoke = Callable[[list[str]], Any]
"""Runs one dbt command on a manifest under the target, and returns dbt's whole outcome."""


@dataclass(slots=True)
class Forms:
    """The compiled SQL of a target.

    Attributes:
        texts: SQL by form and by dbt's ID of the model; an ephemeral parent appears by its name only.
        errors: why a model cannot be compiled, by its ID.
        asking: IDs of the models whose compilation queries the database.
    """

    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)


def compile_forms(
    manifest: Any, invoke: Invoke, switches: Iterable[str], only: Mapping[str, set[str]] | None = None
) -> Forms:
    """Compile the models.

    Args:
        manifest: of the parsed project; it is not changed.
        invoke: runs dbt on it.
        switches: names of macros whose own text is put between marks, see `without_switches`.
        only: IDs of the models to compile, by form; None: all models that have the form.
    """
    models = [node for node in manifest.nodes.values() if node.resource_type == "model" and node.language == "sql"]
    having = {
        FIRST: {node.unique_id for node in models},
        LATER: {node.unique_id for node in models if node.config.materialized == "incremental"},
        HOOKS: {node.unique_id for node in models if _hooks(node)},
    }
    found = Forms()
    for form, ids in (only or having).items():
        found.texts[form] = {}
        left = ids & having[form]
        # dbt skips the readers of a model that it could not compile. Without that model they compile.
        while left:
            with _edited(manifest, form, switches, left):
                outcome = invoke(_command(manifest, left, everything=left == having[FIRST]))
            skipped = _take(found, form, left, outcome.answer.results)
            left = skipped if skipped < left else set()
    return found


def _command(manifest: Any, chosen: set[str], everything: bool) -> list[str]:
    select = ["resource_type:model"] if everything else sorted(f"fqn:{'.'.join(manifest.nodes[i].fqn)}" for i in chosen)
    return ["compile", "--no-introspect", "--select", *select]


def _take(found: Forms, form: str, chosen: set[str], results: Iterable[Any]) -> set[str]:
    """Record what dbt compiled, and return the IDs of what it skipped."""
    skipped = set()
    for result in results:
        node = result.node
        if node.unique_id not in chosen:
            continue
        if result.status == "skipped":
            skipped.add(node.unique_id)
        elif result.status != "error":
            # Without the SQL of ephemeral parents, which count as models of their own.
            found.texts[form][node.unique_id] = node._pre_injected_sql or node.compiled_code
        elif _ASKS_THE_DATABASE in result.message:
            found.asking.add(node.unique_id)
        else:
            found.errors[node.unique_id] = result.message
    return skipped


def _hooks(node: Any) -> list[str]:
    return [hook.sql for hook in (*node.config.pre_hook, *node.config.post_hook)]


@contextmanager
def _edited(manifest: Any, form: str, switches: Iterable[str], chosen: set[str]) -> Iterator[None]:
    """Edit the manifest for one form, and restore it afterwards.

    is_incremental() gets a fixed answer, switches are marked, and hooks replace SQL where requested.
    """
    forget_ephemeral(manifest)
    names = set(switches)
    marked = [macro for macro in manifest.macros.values() if macro.name in names]
    macros = {macro.unique_id: macro.macro_sql for macro in (manifest.macros[_IS_INCREMENTAL], *marked)}
    codes = {unique_id: manifest.nodes[unique_id].raw_code for unique_id in chosen} if form == HOOKS else {}
    try:
        for macro in marked:
            macro.macro_sql = _with_marks(macro.name, macro.macro_sql)
        answer = f"{{{{ return({_ANSWERS[form]}) }}}}"
        manifest.macros[_IS_INCREMENTAL].macro_sql = f"{{% macro is_incremental() %}}{answer}{{% endmacro %}}"
        for unique_id in codes:
            manifest.nodes[unique_id].raw_code = ";\n".join(_hooks(manifest.nodes[unique_id]))
        with compiling_all():
            yield
    finally:
        for unique_id, text in macros.items():
            manifest.macros[unique_id].macro_sql = text
        for unique_id, text in codes.items():
            manifest.nodes[unique_id].raw_code = text


def _with_marks(name: str, text: str) -> str:
    """Return a macro with marks around its own text, the first of which holds the arguments."""
    opening, closing = _OPENING.search(text), _CLOSING.search(text)
    if opening is None or closing is None:
        return text
    tree = jinja2.Environment(autoescape=True).parse(f"{opening[0]}{{% endmacro %}}")
    (macro,) = tree.find_all(jinja2.nodes.Macro)
    arguments = " ~ ', ' ~ ".join(f"{argument.name} | string" for argument in macro.args) or "''"
    begin = f"{{{{ '/*angiogram:begin {name}(' ~ ({arguments}) | replace('*/', '') ~ ')*/' }}}}"
    body = text[opening.end() : closing.start()]
    return f"{opening[0]}{begin}{body}/*angiogram:end*/{closing[0]}"


def without_switches(text: str) -> tuple[str, dict[str, str]]:
    """Replace each switch's text with its call, and return those texts by call."""
    kept: list[str] = []
    made: dict[str, str] = {}
    calls: list[tuple[str, int]] = []
    place = 0
    for mark in _MARK.finditer(text):
        if not calls:
            kept.append(text[place : mark.start()])
        if mark["call"] is not None:
            calls.append((mark["call"], mark.end()))
        elif calls:
            call, start = calls.pop()
            if not calls:
                kept.append(f" {call} ")
                made[call] = _MARK.sub("", text[start : mark.start()])
        place = mark.end()
    return "".join([*kept, text[place:]]), made
