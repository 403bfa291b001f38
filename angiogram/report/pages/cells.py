"""Cells so that what prints alike is told apart: types, blanks at the ends, empty and null, shapeless characters."""

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
        differs: whether it is what the other side does not have.
        mark: whether it stands for something that would not be seen.
    """

    text: str
    differs: bool
    mark: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a difference.

    Attributes:
        kind: text, number, boolean, null, empty text, list, object, or nothing (there is no such row).
        pieces: its text, cut where something has to be shown apart.
        tells_kind: whether the kind has to be said, because the text alone could be mistaken.
    """

    kind: str
    pieces: list[Piece]
    tells_kind: bool

    @property
    def plain(self) -> str:
        """Its text and, where that is needed to tell it from another one, its kind."""
        text = "".join(piece.text for piece in self.pieces)
        return f'"{text}"' if self.kind in ("text", "empty text") else text or self.kind


def pair(expected: str | None, actual: str | None) -> tuple[Cell, Cell]:
    """Both sides of a changed cell, with the part that differs marked.

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
    """A cell that is compared with no other."""
    kind, text = _read(json_text)
    return Cell(kind, _pieces(text, len(text), len(text)), kind in _ODD)


def row(json_text: str | None) -> list[tuple[str, Cell]]:
    """A whole row, column by column; under the name `value` what is no row."""
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
    """Kind and text."""
    if json_text is None:
        return "nothing", ""
    try:
        value = json.loads(json_text, parse_int=_Literal, parse_float=_Literal)
    except ValueError:
        return "text", json_text  # some other words, such as a type's name
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
    """Cut the text at the part that differs, and where a character would not be seen as it is."""
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
    """The character, or what stands for it."""
    if character == " ":
        return " " if inside else _BLANK
    if character in _MARKS:
        return _MARKS[character]
    # Other blanks, what has no width, what turns the writing round, and what is not assigned.
    if unicodedata.category(character)[0] in "CZ":
        return f"\\u{ord(character):04x}"
    return character


def printable(text: str) -> str:
    """A name or a sentence without what would not be seen; line ends stay."""
    return "".join(_drawn(text))


def _drawn(text: str) -> Iterator[str]:
    for character in text:
        yield character if character in " \n" else _shown(character, inside=True)
