"""Prepares the SQL that two dbt targets compile from one model for comparison.

dbt's id in braces replaces the name of a relation: `"shop"."core"."orders"` becomes {model.shop.orders} under each
target. Schemas and databases that correspond to each other are alike. Comments are removed and white space is reduced
to one blank. Literals stay as they are.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from functools import cached_property

_PIECE = re.compile(
    r"""(?P<literal>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    r"|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<blank>[^\S\n]+)",
    re.DOTALL,
)
_WORD = re.compile(r"'(?:[^']|'')*'|[\w.:+-]+|\s+|.", re.DOTALL)
_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')
_NAME = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w$]+|\s+|.""")
_OF_CATALOG = re.compile(
    r"\b(?:schemaname|(?:table_)?schema(?:_name)?|nspname|table_catalog|datname)\s*=\s*$", re.IGNORECASE
)
_STATEMENT = re.compile(
    r"\b(?:select|insert|update|delete|merge|create|alter|drop|truncate|copy|call)\s", re.IGNORECASE
)
_LOOKS_UP = re.compile(
    r"(?:\b(?:to_reg\w+|pg_\w+|has_\w+|nextval|setval|currval|\w+_description)\s*\([^()]*|\bcast\s*\(\s*)\Z",
    re.IGNORECASE,
)
_AS_RELATION = re.compile(r"\s*(?:::\s*|as\s+)(?:reg\w+|oid)\b", re.IGNORECASE)
_RELATION = re.compile(r"\{((?:model|seed|source|snapshot)\.[^{}]+)\}")

Pair = tuple[str, str]
"""A name under the live target and what the dye target has instead, such as dbt's ids of what they read."""


class RelationNames:
    """The names that a target uses for its relations."""

    def __init__(self, relations: Iterable[tuple[str, str]]) -> None:
        """Remember the names.

        Args:
            relations: the name as dbt writes it, and dbt's id of the node.
        """
        self._ids: dict[str, str] = {}
        for name, unique_id in relations:
            parts = _PART.findall(name)
            quoted = [part if part.startswith('"') else f'"{part}"' for part in parts]  # where a project quotes in part
            for known in (name, ".".join(parts[-2:]), ".".join(quoted), ".".join(quoted[-2:])):
                self._ids.setdefault(known, unique_id)

    def aside(self, text: str) -> str:
        """Return a text with relation names replaced by dbt's ids.

        A name in a text literal is a value, unless the literal is SQL itself or PostgreSQL looks a relation up by it.
        """
        if not self._ids:
            return text
        kept, place = [], 0
        for piece in _PIECE.finditer(text):
            literal = piece["literal"]
            if (
                literal
                and literal[-1] in "'$"
                and not _is_code(literal, text[place : piece.start()], text[piece.end() :])
            ):
                kept += [self._replaced(text[place : piece.start()]), literal]
                place = piece.end()
        return "".join([*kept, self._replaced(text[place:])])

    def _replaced(self, text: str) -> str:
        return self._pattern.sub(lambda found: f"{{{self._ids[found[0]]}}}", text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted(self._ids, key=len, reverse=True)
        return re.compile(rf'(?<![\w."$])(?:{"|".join(map(re.escape, names))})(?![\w"$])')


def _is_code(literal: str, before: str, after: str) -> bool:
    """Whether a text literal holds statements, or names a relation that PostgreSQL looks up."""
    return bool(_STATEMENT.search(literal) or _LOOKS_UP.search(before) or _AS_RELATION.match(after))


def lines_of(text: str) -> list[str]:
    """Split a text into lines without comments, empty lines and extra white space."""
    cleaned = _PIECE.sub(lambda found: found["literal"] or ("" if found["comment"] else " "), text)
    return [line.strip() for line in cleaned.split("\n") if line.strip()]


def pairs(live: list[str], dye: list[str]) -> list[Pair] | None:
    """Pair the relations of two texts that are equal otherwise. None if they are not.

    Args:
        live: lines of the live target's text, with names replaced.
        dye: lines of the dye target's text.
    """
    live_parts, dye_parts = (_RELATION.split(" ".join(lines)) for lines in (live, dye))
    if live_parts[::2] != dye_parts[::2]:
        return None
    return [
        (of_live, of_dye)
        for of_live, of_dye in zip(live_parts[1::2], dye_parts[1::2], strict=True)
        if of_live != of_dye
    ]


def differing(live: list[str], dye: list[str], pairs_allowed: Mapping[str, str]) -> list[tuple[list[str], list[str]]]:
    """Return where two texts differ: lines of the live target's text and of the dye target's.

    Args:
        live: lines of the live target's text, with names replaced.
        dye: lines of the dye target's text.
        pairs_allowed: what the live target reads in place of an input of the dye, by the input's id.
    """
    put = [_RELATION.sub(lambda found: f"{{{pairs_allowed.get(found[1], found[1])}}}", line) for line in dye]
    matcher = SequenceMatcher(None, live, put, autojunk=False)
    return [
        (live[start:end], dye[dye_start:dye_end])
        for kind, start, end, dye_start, dye_end in matcher.get_opcodes()
        if kind != "equal"
    ]


def with_places_alike(live: list[str], dye: list[str], places: Collection[Pair]) -> list[str]:
    """Return the dye target's lines with the live target's names of places.

    A line is changed only if it is equal then. So a table that a hook names by its schema, and that dbt does not know,
    is no difference. Within a text literal a name is a value, not a place, unless a column of the catalogue equals it.

    Args:
        live: lines of the live target's text.
        dye: lines of the dye target's text.
        places: schemas and databases of the live target, each with what the dye target has in its place.
    """
    found: list[str] = []
    for _, start, end, dye_start, dye_end in SequenceMatcher(None, live, dye, autojunk=False).get_opcodes():
        lines = dye[dye_start:dye_end]
        if end - start == dye_end - dye_start:
            both = zip(live[start:end], lines, strict=True)
            lines = [of_live if _is_alike(of_live, of_dye, places) else of_dye for of_live, of_dye in both]
        found += lines
    return found


def _is_alike(live: str, dye: str, places: Collection[Pair]) -> bool:
    names, others = _NAME.findall(live), _NAME.findall(dye)
    return len(names) == len(others) and all(
        name == other or _is_place(name, other, "".join(names[:at]), places)
        for at, (name, other) in enumerate(zip(names, others, strict=True))
    )


def _is_place(live: str, dye: str, before: str, places: Collection[Pair]) -> bool:
    """Whether two names are places that correspond, or begin with such: shop_functions."""
    if live.startswith("'"):
        return bool(_OF_CATALOG.search(before)) and (live.strip("'"), dye.strip("'")) in places
    names = live.strip('"'), dye.strip('"')
    return names in places or any(
        names[0].startswith(f"{of_live}_") and names[1] == of_dye + names[0].removeprefix(of_live)
        for of_live, of_dye in places
    )


def steady(text: str, again: str) -> str:
    """Remove from a text what another compilation changes, such as times and run ids.

    Args:
        text: the text as compiled first.
        again: the text as compiled the second time.
    """
    words, others = (_WORD.findall(one) for one in (text, again))
    matcher = SequenceMatcher(None, words, others, autojunk=False)
    return "".join(_kept(words, matcher.get_opcodes()))


def _kept(words: list[str], changes: Iterable[tuple[str, int, int, int, int]]) -> Iterator[str]:
    for kind, start, end, _, _ in changes:
        yield "".join(words[start:end]) if kind == "equal" else "<varies>"


def shown(line: str) -> str:
    """Return a line for people to read, with relations by their names in dbt."""
    return _RELATION.sub(lambda found: name_of(found[1]), line)


def name_of(unique_id: str) -> str:
    """Return a node's usual name: orders, orders.v2 for a version, shop.orders for a source."""
    return unique_id.split(".", 2)[2]
