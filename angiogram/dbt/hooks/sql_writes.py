"""Which relations, functions and schemas SQL statements write by name.

What a function does that they call, and what `execute` runs, is not seen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from angiogram.dbt.targets import name_parts

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)"""
    r"""|\$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$"""
    r"""|(?P<literal>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')"""
    r"""|(?P<name>(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)(?:\s*\.\s*(?:"(?:[^"]|"")*"|[^\W\d][\w$]*))*)"""
    r"""|(?P<other>.)""",
    re.DOTALL,
)
_NAME = r"(?:if (?:not )?exists )?(?:only )?<(?P<place>\d+)>"
_KIND = r"(?P<kind>(?:foreign |unlogged |temp(?:orary)? |materialized |recursive )*(?:table|view|sequence)|function|"
_KIND += r"procedure|routine|aggregate|type|domain|schema)"
_STARTS = r"(?:^|[()] )"  # also a part of `with`, and what `explain analyze` or brackets hold
_WRITES = [
    re.compile(pattern)
    for pattern in (
        rf"\b(?P<verb>insert into) {_NAME}",
        rf"\b(?P<verb>merge into) {_NAME}",
        rf"{_STARTS}(?P<verb>update) {_NAME}",
        rf"\b(?P<verb>delete from) {_NAME}",
        rf"^(?P<verb>truncate)(?: table)? {_NAME}",
        rf"^(?P<verb>copy) {_NAME}(?: \( [^()]*\))? from\b",
        rf"^(?P<verb>refresh) materialized view (?:concurrently )?{_NAME}",
        rf"^(?P<verb>create)(?: or replace)? {_KIND} {_NAME}",
        r"^(?P<verb>create)(?: or replace)?(?: \w+)* (?:index|trigger|rule|policy)\b.*? (?:on|to) (?:only )?"
        r"<(?P<place>\d+)>",
        rf"^(?P<verb>drop|alter) {_KIND} {_NAME}",
        rf"^(?P<verb>drop|alter) index (?:concurrently )?{_NAME}",
        r"^(?P<verb>drop|alter) (?:trigger|rule|policy) (?:if exists )?<\d+> on (?:only )?<(?P<place>\d+)>",
        rf"^(?P<verb>comment on) (?:{_KIND}|index|(?P<part>column)) {_NAME}",
        r"^(?P<verb>comment on) (?:trigger|rule|policy|constraint) <\d+> on <(?P<place>\d+)>",
        r"^(?P<verb>revoke) .*? on (?:table )?<(?P<place>\d+)>",
        r"^(?P<verb>revoke) .*? on (?P<kind>schema|function) <(?P<place>\d+)>",
        r"^(?P<verb>select)\b[^;]*? into (?:unlogged |temp(?:orary)? )?(?:table )?<(?P<place>\d+)>",
    )
]
_PATH = re.compile(r"^set (?:<\d+> )?<(\d+)> (?:=|to|<\d+>) <(\d+)>")
_MORE = re.compile(r" , (?:only )?<(\d+)>")
_WORDS = frozenset(
    {
        *("insert", "into", "merge", "update", "delete", "from", "truncate", "table", "copy", "refresh"),
        *("materialized", "view", "concurrently", "create", "or", "replace", "foreign", "unlogged", "temp"),
        *("temporary", "recursive", "sequence", "function", "procedure", "routine", "aggregate", "type"),
        *("domain", "schema", "index", "trigger", "rule", "policy", "unique", "constraint", "on", "to", "only"),
        *(
            "if",
            "not",
            "exists",
            "drop",
            "alter",
            "comment",
            "column",
            "revoke",
            "select",
            "set",
            "do",
            "for",
            "key",
            "no",
            "with",
            "as",
        ),
    }
)
"""Words that are no names where a pattern above reads them."""


@dataclass(frozen=True, slots=True)
class Write:
    """What one statement writes.

    Attributes:
        verb: such as `insert into` or `create`.
        schema: of what is written, as PostgreSQL reads the name; None if the statement names none.
        name: of what is written; None if it is the schema itself.
        is_temporary: whether it makes a temporary table.
    """

    verb: str
    schema: str | None
    name: str | None
    is_temporary: bool = False

    def __str__(self) -> str:
        """Return the verb and what it writes."""
        return f"{self.verb} {'.'.join(part for part in (self.schema, self.name) if part)}"


def writes(text: str) -> Iterator[Write]:
    """Yield what the statements of a text write by name."""
    path = None
    for words, names, bodies in _statements(text):
        path = _first_of_path(words, names) or path
        if words.startswith("do "):
            for body in bodies:
                # A block: each of its statements may follow `begin`, `then`, `else` or `loop`.
                yield from writes(re.sub(r"(?i)\b(begin|then|else|loop)\b", ";", body))
        for pattern in _WRITES:
            for found in pattern.finditer(words):
                kind = found.groupdict().get("kind") or found.groupdict().get("part") or ""
                places = [found["place"]]
                if found["verb"] in ("truncate", "drop"):
                    rest = re.match(rf"(?:{_MORE.pattern})*", words[found.end() :])
                    places += _MORE.findall(rest[0]) if rest else []
                for place in places:
                    write = _write(found["verb"], kind, names[int(place)])
                    is_placed = write.schema is not None or write.is_temporary
                    yield write if is_placed or path is None else replace(write, schema=path)


def _first_of_path(words: str, names: list[str]) -> str | None:
    """The first schema of a search path that a statement sets. None: it sets none."""
    if not (found := _PATH.match(words)) or names[int(found[1])].lower() != "search_path":
        return None
    return name_parts(names[int(found[2])])[-1]


def _write(verb: str, kind: str, name: str) -> Write:
    parts = name_parts(name)[:-1] if kind == "column" else name_parts(name)
    if kind == "schema":
        return Write(f"{verb} schema", parts[-1], None)
    return Write(verb, parts[-2] if len(parts) > 1 else None, parts[-1], "temp" in kind)


def _statements(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each statement: its words with numbers for names, the names, and texts in dollars."""
    words: list[str] = []
    names: list[str] = []
    bodies: list[str] = []
    for token in _TOKEN.finditer(f"{text};"):
        if token["other"] == ";":
            yield " ".join(words), names, bodies
            words, names, bodies = [], [], []
        elif token["name"] is not None:
            if token["name"].lower() in _WORDS:
                words.append(token["name"].lower())
            else:
                words.append(f"<{len(names)}>")
                names.append(token["name"])
        elif token["body"] is not None:
            words.append("''")
            bodies.append(token["body"])
        elif token["literal"]:
            words.append("''")
        elif token["other"]:
            words.append(token["other"])
