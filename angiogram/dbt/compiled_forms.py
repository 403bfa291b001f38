"""Compiles every model for a dbt target in both forms of is_incremental().

No server is needed. Hooks are compiled too, those of the project and of reference seeds included. What queries the
database while it is compiled is left out. Jinja sees the command `dbt build`; what asks for the command is compiled as
by other commands as well.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jinja2

from angiogram.dbt.command import compiling_all, forget_ephemeral, seen_as
from angiogram.dbt.manifest.macros import asks
from angiogram.dbt.stand_ins import hook_texts, standing_in

FIRST, LATER, HOOKS = "first build", "incremental build", "hooks"
"""The forms. Hooks of the project and of seeds are compiled with the first build."""

_RUN, _REFRESH = " by dbt run", " with --full-refresh"
_COMMANDS = {"": ("build", False), _RUN: ("run", False), _REFRESH: ("build", True), _RUN + _REFRESH: ("run", True)}
"""What follows a form's name, and the command that Jinja sees."""

FORMS = tuple(
    form + of_command
    for of_command in _COMMANDS
    for form in (FIRST, LATER, HOOKS)
    if form != LATER or _REFRESH not in of_command
)
"""All forms with the commands. A full refresh is no incremental build."""

ACROSS = tuple((form, form + _RUN) for form in (FIRST, LATER, HOOKS))
"""Forms of the live target, and of the dye target: the live tables may be built by another command than the dye's."""

_IS_INCREMENTAL = "macro.dbt.is_incremental"
NEVER, WHERE_INCREMENTAL = "false", "model.config.materialized == 'incremental'"
"""What is_incremental() answers when all models are compiled at once: in the first build, and in a later one."""

_ANSWERS = {FIRST: NEVER, LATER: "true", HOOKS: WHERE_INCREMENTAL}
_ASKS_THE_DATABASE = "connection never acquired"
_OPENING = re.compile(r"\{%-?\s*macro\s.*?%\}", re.DOTALL)
_CLOSING = re.compile(r"\{%-?\s*endmacro\s*-?%\}\s*\Z")
_COMMAND = re.compile(r"\bflags\b|\binvocation_args_dict\b")
_MARK = re.compile(r"/\*angiogram:(?:begin (?P<call>.*?)|end)\*/", re.DOTALL)

Invoke = Callable[[list[str]], Any]
"""Runs one dbt command on a manifest under the target, and returns dbt's whole outcome."""


@dataclass(slots=True)
class Forms:
    """The compiled SQL of a target.

    Attributes:
        texts: SQL by form and by dbt's ID of the model, hook or seed; an ephemeral parent appears by its name only. For
            a seed it is its hooks.
        errors: why one of them cannot be compiled, by its ID.
        asking: IDs of those whose compilation queries the database.
        asking_in_hooks: IDs of the models whose hooks do so.
    """

    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    asking_in_hooks: set[str] = field(default_factory=set)


def compile_forms(
    manifest: Any,
    invoke: Invoke,
    switches: Iterable[str],
    only: Mapping[str, set[str]] | None = None,
    with_dye: bool = False,
) -> Forms:
    """Compile the models.

    Args:
        manifest: of the parsed project; it is not changed.
        invoke: runs dbt on it.
        switches: names of macros whose own text is put between marks, see `without_switches`.
        only: IDs of the models to compile, by form; None: all models that have the form.
        with_dye: also compile the hooks of snapshots and of the dye's seeds.
    """
    with standing_in(manifest, with_dye) as standing:
        having = _having(manifest)
        found = Forms()
        for form in only or FORMS:
            found.texts[form] = {}
            left = {i for i in having[form] if only is None or standing.get(i, i) in only[form]}
            # dbt skips the readers of a model that it could not compile. Without that model they compile.
            while left:
                with _edited(manifest, form, switches, left):
                    outcome = invoke(_command(manifest, left, everything=left == having[FIRST]))
                skipped = _take(found, form, left, outcome.answer.results, standing)
                left = skipped if skipped < left else set()
    return found


def _having(manifest: Any) -> dict[str, set[str]]:
    """The IDs of the models, stand-ins included, that have each form."""
    models = [node for node in manifest.nodes.values() if node.resource_type == "model" and node.language == "sql"]
    having = {
        FIRST: {node.unique_id for node in models},
        LATER: {node.unique_id for node in models if node.config.materialized == "incremental"},
        HOOKS: {node.unique_id for node in models if hook_texts(node)},
    }
    asking = {node.unique_id for node in models if asks(_COMMAND, manifest, [node.raw_code, *hook_texts(node)], node)}
    return {form: having[_base(form)] if form in having else having[_base(form)] & asking for form in FORMS}


def _base(form: str) -> str:
    return next(base for base in (FIRST, LATER, HOOKS) if form.startswith(base))


def _command(manifest: Any, chosen: set[str], everything: bool) -> list[str]:
    select = ["resource_type:model"] if everything else sorted(f"fqn:{'.'.join(manifest.nodes[i].fqn)}" for i in chosen)
    return ["compile", "--no-introspect", "--select", *select]


def _take(found: Forms, form: str, chosen: set[str], results: Iterable[Any], standing: Mapping[str, str]) -> set[str]:
    """Record what dbt compiled, and return the IDs of what it skipped."""
    skipped = set()
    for result in results:
        node = result.node
        if node.unique_id not in chosen:
            continue
        unique_id = standing.get(node.unique_id, node.unique_id)
        if result.status == "skipped":
            skipped.add(node.unique_id)
        elif result.status != "error":
            # Without the SQL of ephemeral parents, which count as models of their own.
            found.texts[form][unique_id] = node._pre_injected_sql or node.compiled_code
        elif _ASKS_THE_DATABASE in result.message:
            (found.asking_in_hooks if _base(form) == HOOKS else found.asking).add(unique_id)
        else:
            found.errors[unique_id] = result.message
    return skipped


@contextmanager
def _edited(manifest: Any, form: str, switches: Iterable[str], chosen: set[str]) -> Iterator[None]:
    """Edit the manifest for one form, and restore it afterwards.

    is_incremental() gets a fixed answer, switches are marked, and hooks replace SQL where requested.
    """
    forget_ephemeral(manifest)
    names = set(switches)
    marked = [macro for macro in manifest.macros.values() if macro.name in names]
    macros = {macro.unique_id: macro.macro_sql for macro in marked}
    base, of_command = _base(form), form.removeprefix(_base(form))
    codes = {unique_id: manifest.nodes[unique_id].raw_code for unique_id in chosen} if base == HOOKS else {}
    try:
        for macro in marked:
            macro.macro_sql = _with_marks(macro.name, macro.macro_sql)
        for unique_id in codes:
            manifest.nodes[unique_id].raw_code = ";\n".join(hook_texts(manifest.nodes[unique_id]))
        with answering(manifest, _ANSWERS[base]), compiling_all(), seen_as(*_COMMANDS[of_command]):
            yield
    finally:
        for unique_id, text in macros.items():
            manifest.macros[unique_id].macro_sql = text
        for unique_id, text in codes.items():
            manifest.nodes[unique_id].raw_code = text


@contextmanager
def answering(manifest: Any, answer: str) -> Iterator[None]:
    """Give is_incremental() a fixed answer, a Jinja expression."""
    macro = manifest.macros[_IS_INCREMENTAL]
    as_it_was = macro.macro_sql
    macro.macro_sql = f"{{% macro is_incremental() %}}{{{{ return({answer}) }}}}{{% endmacro %}}"
    try:
        yield
    finally:
        macro.macro_sql = as_it_was


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
