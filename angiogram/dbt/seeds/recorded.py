"""Which rows of expected seeds only repeat the models' own output, confirmed by nobody yet.

`.angiogram/recorded.jsonl` lists the seeds that `angiogram accept` filled, each with a mark of every row that it wrote.
A row that somebody changes has another mark, so it is no longer recorded. `.angiogram/confirmed.jsonl` lists the rows
that somebody confirmed as they are. A seed that `angiogram init` made waits in the list, without a time, for its rows.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Self

from angiogram.core.errors import InvalidRecord

RECORDED_FILE = Path(".angiogram", "recorded.jsonl")
CONFIRMED_FILE = Path(".angiogram", "confirmed.jsonl")

NO_ROWS = "empty"
"""The mark of a seed without rows."""


@dataclass(frozen=True, slots=True)
class RecordedSeed:
    """An expected seed that was filled from its model's own output, or waits for that.

    Attributes:
        recorded_at: when, as ISO 8601 in UTC. None: it waits for its first rows.
        rows: the marks of the rows that were written.
    """

    recorded_at: str | None = None
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """All such seeds of a project, by name.

    Attributes:
        seeds: the seeds.
        confirmed: the marks of the rows that a person confirmed, by seed.
    """

    seeds: Mapping[str, RecordedSeed] = field(default_factory=dict)
    confirmed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, project: Path) -> Self:
        """Read both lists of a project. Both may be missing.

        Raises:
            InvalidRecord: one cannot be read.
        """
        confirmed: dict[str, frozenset[str]] = {}
        for line in _lines(project / CONFIRMED_FILE, ("seed", "row")):
            confirmed[line["seed"]] = confirmed.get(line["seed"], frozenset()) | {str(line["row"])}
        seeds = {
            line["seed"]: RecordedSeed(line["recorded_at"], tuple(line["rows"]))
            for line in _lines(project / RECORDED_FILE, ("seed", "recorded_at", "rows"))
        }
        return cls(seeds, confirmed)

    @property
    def waiting(self) -> set[str]:
        """Return the seeds that wait for their first rows."""
        return {name for name, seed in self.seeds.items() if seed.recorded_at is None}

    def with_seeds(self, seeds: Mapping[str, RecordedSeed]) -> "Recorded":
        """Return the list with these seeds in the place of those of the same names."""
        return Recorded({**self.seeds, **seeds}, self.confirmed)

    def without(self, names: Iterable[str]) -> "Recorded":
        """Return the list without these seeds."""
        gone = set(names)
        return Recorded({name: seed for name, seed in self.seeds.items() if name not in gone}, self.confirmed)

    def left(self, name: str, marks: Iterable[str]) -> list[str]:
        """Return the marks of a seed's rows that are recorded and not confirmed.

        A mark counts as often as it was recorded.

            Args:
                name: the seed.
                marks: those of the rows that it holds now.
        """
        seed = self.seeds.get(name, RecordedSeed())
        found = Counter(seed.rows) & Counter(marks)
        return [mark for mark in found.elements() if mark not in self.confirmed.get(name, ())]

    def text(self) -> str:
        """Return the text of recorded.jsonl: one line a seed, sorted by name."""
        lines = ({"seed": name, "recorded_at": seed.recorded_at, "rows": seed.rows} for name, seed in self._sorted())
        return "".join(json.dumps(line) + "\n" for line in lines)

    def _sorted(self) -> list[tuple[str, RecordedSeed]]:
        return sorted(self.seeds.items())


def row_mark(cells: Mapping[str, str]) -> str:
    """Return the mark of a seed's row, the same for all rows with the same cells.

    The order of columns does not matter, and an empty cell counts as none, so that a new column changes only the rows
    in which it says something.
    """
    said = json.dumps(sorted((name, cell) for name, cell in cells.items() if cell))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def seed_rows(text: str, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Yield the rows of a seed's text as cells by column, without fields beyond the header."""
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    header: Sequence[str] = next(lines, [])
    for line in lines:
        if line:
            yield dict(zip(header, line, strict=False))


def seed_marks(text: str, delimiter: str = ",") -> list[str]:
    """Return the marks of all rows of a seed's text, or NO_ROWS if it has none."""
    return [row_mark(row) for row in seed_rows(text, delimiter)] or [NO_ROWS]


def _lines(file: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a list, each an object with these names."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRecord(f"{file} cannot be read: {error}. Restore it from version control.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if not (isinstance(found, dict) and found.keys() >= set(names)):
                raise ValueError(f"it must be an object with {', '.join(names)}")
        except ValueError as error:
            raise InvalidRecord(
                f"{file}:{number} cannot be read: {error}. Correct the line, or restore the file from version control."
            ) from error
        yield found
