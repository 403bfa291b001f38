"""Mistakes in regular expressions: a pattern that matches a little more or less."""

import re
from collections.abc import Iterator
from itertools import pairwise

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope

_REPEAT = re.compile(r"\{([0-9]+)(?:,([0-9]+))?\}")
_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]")
_MEMBER = re.compile(r"(?:\\.|[^\\])(?:-(?:\\.|[^\\]))?")
_MARK = re.compile(r"(?<=[\])a-zA-Z0-9}])[?*+]")


def pattern(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Change or drop one part of a pattern.

    The part is an anchor, a repetition, a member of a class, an alternative or an optional part.
    """
    if isinstance(node, exp.Literal) and node.is_string and _is_pattern(node):
        for text in dict.fromkeys(other_patterns(node.this)):
            if text != node.this:
                yield exp.Literal.string(text)


def other_patterns(text: str) -> Iterator[str]:
    """Yield patterns that differ from `text` in one place."""
    if text.startswith("^"):
        yield text[1:]
    if text.endswith("$"):
        yield text[:-1]
    for match in _REPEAT.finditer(text):
        least, most = int(match[1]), match[2]
        bounds = [(least - 1, most), (least + 1, most)]
        if most is not None:
            bounds += [(least, str(int(most) - 1)), (least, str(int(most) + 1))]
        for low, high in bounds:
            if low >= 0 and (high is None or 0 < int(high) >= low):
                repeat = f"{{{low}}}" if high is None else f"{{{low},{high}}}"
                yield text[: match.start()] + repeat + text[match.end() :]
    for match in _CLASS.finditer(text):
        for members in _other_members(match[2]):
            yield f"{text[: match.start()]}[{match[1]}{members}]{text[match.end() :]}"
        if match[2] == ".":
            yield f"{text[: match.start()]}.{text[match.end() :]}"
    outside = _CLASS.sub(lambda match: "]" * len(match[0]), text)
    for match in _MARK.finditer(outside):
        other = {"?": "", "*": "+", "+": "*"}[match[0]]
        yield text[: match.start()] + other + text[match.end() :]
    yield from _fewer_alternatives(text, outside)


def _other_members(members: str) -> Iterator[str]:
    found = _MEMBER.findall(members)
    for number, member in enumerate(found):
        before, after = "".join(found[:number]), "".join(found[number + 1 :])
        if before or after:
            yield before + after
        if len(member) == 3 and member[1] == "-" and member[0] < member[2]:
            yield f"{before}{chr(ord(member[0]) + 1)}-{member[2]}{after}"
            yield f"{before}{member[0]}-{chr(ord(member[2]) - 1)}{after}"
            if chr(ord(member[2]) + 1).isalnum():
                yield f"{before}{member[0]}-{chr(ord(member[2]) + 1)}{after}"


def _fewer_alternatives(text: str, outside: str) -> Iterator[str]:
    """Drop one of the alternatives of each group."""
    opened: list[list[int]] = []
    for position, character in enumerate(outside):
        if character == "(":
            opened.append([position])
        elif character == "|" and opened:
            opened[-1].append(position)
        elif character == ")" and opened:
            cuts = [*opened.pop(), position]
            if len(cuts) > 2:
                for number in range(len(cuts) - 1):
                    kept = [text[a + 1 : b] for i, (a, b) in enumerate(pairwise(cuts)) if i != number]
                    yield f"{text[: cuts[0]]}({'|'.join(kept)}){text[cuts[-1] + 1 :]}"


def _is_pattern(node: exp.Literal) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Concat | exp.DPipe):
        node_or_around: exp.Expr = parent
        parent = parent.parent
        if isinstance(parent, exp.RegexpLike | exp.RegexpILike | exp.RegexpFullMatch):
            return parent.expression is node_or_around
    matches = exp.RegexpLike | exp.RegexpILike | exp.RegexpFullMatch | exp.RegexpReplace
    return isinstance(parent, matches) and parent.expression is node
