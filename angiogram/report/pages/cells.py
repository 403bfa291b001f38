"""Shows cells so that different values never look alike.

It marks types, blanks at the ends, empty and null, and invisible characters.
"""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MARKS = {"\t": "⇥", "\n": "⏎", "\r": "␍", "\u00a0": "⍽"}
_BLANK = "·"
_ODD = ("null", "empty text", "boolean")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a cell's text.

    Attributes:
        text: printable.
        differs: whether the other side does not have it.
        mark: whether it replaces something invisible.
    """

    text: str
    differs: bool
    mark: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a difference.

    Attributes:
        kind: text, number, boolean, null, empty text, list, object, or nothing (there is no such row).
        pieces: its text, cut where something must be shown apart.
        tells_kind: whether the kind must be shown, because the text alone would be ambiguous.
    """

    kind: str
    pieces: list[Piece]
    tells_kind: bool

    @property
    def plain(self) -> str:
        """Return its text, with its kind where that is needed to tell it from another cell."""
        text = "".join(piece.text for piece in self.pieces)
        return f'"{text}"' if self.kind in ("text", "empty text") else text or self.kind


def pair(expected: str | None, actual: str | None) -> tuple[Cell, Cell]:
    """Return both sides of a changed cell, with the part that differs marked.

    Args:
        expected, actual: JSON texts; None for nothing.
    """
    (left_kind, left), (right_kind, right) = _read(expected), _read(actual)
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    odd = left_kind != right_kind
    return (
        Cell(left_kind, _pieces(left, start, len(left) - end), odd or left_kind in _ODD),
        Cell(right_kind, _pieces(right, start, len(right) - end), odd or right_kind in _ODD),
    )


def cell(json_text: str | None) -> Cell:
    """Return a cell that is not compared with another one."""
    kind, text = _read(json_text)
    return Cell(kind, _pieces(text, len(text), len(text)), kind in _ODD)


def row(json_text: str | None) -> list[tuple[str, Cell]]:
    """Return a whole row by column. Anything that is not a row gets the column `value`."""
    if json_text is None:
        return []
    value = json.loads(json_text, parse_int=_Literal, parse_float=_Literal)
    if not isinstance(value, dict):
        return [("value", cell(json_text))]
    return [(column, cell(_json(content))) for column, content in value.items()]


class _Literal(str):
    """A number as it was written: 0.30 stays 0.30."""


def _json(value: Any) -> str:
    return str(value) if isinstance(value, _Literal) else json.dumps(value, ensure_ascii=False)


def _read(json_text: str | None) -> tuple[str, str]:
    """Return kind and text."""
    if json_text is None:
        return "nothing", ""
    try:
        value = json.loads(json_text, parse_int=_Literal, parse_float=_Literal)
    except ValueError:
        return "text", json_text  # other text, such as a type's name
    match value:
        case None:
            return "null", "null"
        case bool():
            return "boolean", json_text
        case _Literal():
            return "number", str(value)
        case "":
            return "empty text", ""
        case str():
            return "text", value
        case dict():
            return "object", json_text
        case _:
            return "list", json_text


def _pieces(text: str, start: int, end: int) -> list[Piece]:
    """Cut the text at the part that differs, and at invisible characters."""
    inner = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    pieces: list[Piece] = []
    for index, character in enumerate(text):
        shown = _shown(character, inner[0] <= index < inner[1])
        piece = Piece(shown, start <= index < end, shown != character)
        if pieces and (pieces[-1].differs, pieces[-1].mark) == (piece.differs, piece.mark):
            piece = Piece(pieces.pop().text + shown, piece.differs, piece.mark)
        pieces.append(piece)
    return pieces


def _shown(character: str, inside: bool) -> str:
    """Return the character, or what is shown in its place."""
    if character == " ":
        return " " if inside else _BLANK
    if character in _MARKS:
        return _MARKS[character]
    # Other blanks, zero-width characters, direction marks, and unassigned characters.
    if unicodedata.category(character)[0] in "CZ":
        return f"\\u{ord(character):04x}"
    return character


def printable(text: str) -> str:
    """Return a name or a sentence without invisible characters. Line ends are kept."""
    return "".join(_drawn(text))


def _drawn(text: str) -> Iterator[str]:
    for character in text:
        yield character if character in " \n" else _shown(character, inside=True)
