"""Finds what a text of a dbt project asks for, directly or through macros."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

ASKS_TARGET = re.compile(r"\btarget\b|\bthis\.(schema|database|name|identifier)\b|\bis_dye_target\b")
"""How Jinja asks for the target."""

_OWNER = r"(?:this|model|node|\w*relation)\s*(?:\.\s*|\[\s*['\"])"
_PLACE = rf"(?:\b{_OWNER}(?:schema|database)\b(?:['\"]\s*\])?|\b(?:schema|database)\b)"
_FILTERS = r"(?:\s*\|\s*\w+(?:\([^()]*\))?)*"

CIRCUMSTANCES = re.compile(
    r"\btarget\s*[.\[]|\bis_dye_target\b|\bdye_(source|batches)\b"
    r"|\benv_var\b|\bflags\b|\binvocation_args_dict\b"
    rf"|{_PLACE}{_FILTERS}\s*(?:==|!=|\bin\b|\bnot\s+in\b)|(?:==|!=)\s*{_PLACE}"
    rf"|['\"]\s*(?:not\s+)?in\s+(?:{_PLACE}|schemas\b)"
)
"""How Jinja asks for what may differ between a build of the dye and a live one.

A macro's argument may be called target; dbt's own merge has one. The name of a schema or database counts where it is
compared with something, and not where it is only written.
"""

ASKS_ENVIRONMENT = re.compile(r"\benv_var\b")
"""How Jinja asks for the environment."""

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def is_internal(manifest: Any, macro: Any) -> bool:
    """Return whether a macro belongs to dbt itself or to the adapter."""
    return macro.package_name in ("dbt", f"dbt_{manifest.metadata.adapter_type}")


def called(manifest: Any, macros: Iterable[str], but: Collection[str] = ()) -> Iterator[Any]:
    """Yield macros and all that they call, each once, without dbt's own.

    Args:
        manifest: of the parsed project.
        macros: dbt's IDs of the first ones.
        but: names of macros that are left out, and not followed.
    """
    seen: set[str] = set()
    ahead = list(macros)
    while ahead:
        macro = manifest.macros.get(ahead.pop())
        if macro is not None and macro.unique_id not in seen and macro.name not in but:
            seen.add(macro.unique_id)
            ahead += macro.depends_on.macros
            if not is_internal(manifest, macro):
                yield macro


def asks(pattern: re.Pattern[str], manifest: Any, texts: Iterable[str], node: Any, but: Collection[str] = ()) -> bool:
    """Return whether texts of a node, or macros that it calls, ask for something.

    Args:
        pattern: what is asked for.
        manifest: of the parsed project.
        texts: Jinja of the node itself.
        node: the node, or a macro.
        but: names of macros that are left out, and not followed.
    """
    every = [*texts, *(macro.macro_sql for macro in called(manifest, node.depends_on.macros, but))]
    return asks_in(pattern, every)


def asks_in(pattern: re.Pattern[str], texts: Iterable[str]) -> bool:
    """Return whether texts of Jinja, comments aside, ask for something."""
    return any(pattern.search(_COMMENT.sub("", text)) for text in texts)
