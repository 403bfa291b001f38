"""Additions to YAML files that people wrote: comments, order, quotes and anchors stay."""

import io
import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from angiogram.core.errors import UnsupportedProject

_ITEM = re.compile(r"^( *)[^\s#-][^#\n]*:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( *)- ", re.MULTILINE)
"""A key, and the first item of the list below it."""

_WIDE = 4096
"""A width at which no line is broken anew."""


def edited(text: str, place: str, edit: Callable[[CommentedMap], None]) -> str:
    """Return a YAML text with additions.

    Args:
        text: the file's text; may be empty.
        place: the file, for messages.
        edit: adds to the mapping that the file holds.

    Raises:
        UnsupportedProject: it is not YAML, or holds no mapping.
    """
    yaml = _form(text)
    try:
        content = yaml.load(text)
    except YAMLError as error:
        raise UnsupportedProject(f"{place} is not YAML that can be added to: {error}. Correct it.") from error
    if content is None:
        content = CommentedMap()
    if not isinstance(content, CommentedMap):
        raise UnsupportedProject(f"{place} holds no mapping of names to values. Correct it.")
    before = _written(yaml, content)
    edit(content)
    after = _written(yaml, content)
    return text if after == before else after


def mapping_in(content: CommentedMap, *names: str) -> CommentedMap:
    """Return the mapping below these names; it is added where it is missing."""
    for name in names:
        if content.get(name) is None:
            content[name] = CommentedMap()
        content = content[name]
    return content


def prepend(content: CommentedMap, name: str, item: str) -> None:
    """Put an item first in a list, which may be missing or a single text, unless it is there."""
    listed = content.get(name)
    if listed is None:
        content[name] = [item]
    elif isinstance(listed, str):
        if listed != item:
            content[name] = [item, listed]
    elif item not in listed:
        listed.insert(0, item)


def _form(text: str) -> Any:
    """A reader and writer that indents lists as the text does."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    found = _ITEM.search(text)
    offset = len(found[2]) - len(found[1]) if found else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml


def _written(yaml: Any, content: CommentedMap) -> str:
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()
