"""Reads seed files as dbt reads them, and writes lines to add to them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, is_dye_seed
from angiogram.dbt.seeds.seed_text import CARRIAGE_RETURN
from angiogram.judge.cause.tables import Column, Table, in_batches
from angiogram.warehouse.engines.scratch import TextRow


@dataclass(frozen=True, slots=True)
class SeedRows:
    """Rows of an input seed.

    Attributes:
        seed: its name.
        file: its file, below the project's folder.
        header: the file's first line.
        columns: names of its columns.
        rows: the rows, as dbt reads them.
        lines: the same rows as lines of the file.
    """

    seed: str
    file: str
    header: str
    columns: tuple[str, ...]
    rows: tuple[TextRow, ...]
    lines: str

    def as_json(self) -> list[dict[str, str | None]]:
        """Return each row as an object: text or null by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class SeedFile:
    """The file of a seed.

    Attributes:
        name: the seed's name in dbt.
        unique_id: dbt's id for it.
        path: its file.
        shown: its file, below the project's folder.
        declared: types by column, as the project declares them. dbt guesses the others.
        delimiter: the character between two fields.
        is_dye: whether it is an input seed.
        quotes: whether dbt quotes column names. PostgreSQL folds unquoted names to lower case.
        engine: the engine whose types dbt guesses.
    """

    name: str
    unique_id: str
    path: Path
    shown: str
    declared: Mapping[str, str]
    delimiter: str
    is_dye: bool
    quotes: bool = True
    engine: str = "postgres"

    @classmethod
    def of(cls, directory: Path, seed: Any, engine: str = "postgres") -> "SeedFile":
        """Return the file of a seed in the manifest."""
        return cls(
            name=seed.name,
            unique_id=seed.unique_id,
            path=Path(seed.root_path or directory) / seed.original_file_path,
            shown=seed.original_file_path,
            declared={name: str(kind) for name, kind in seed.config.column_types.items()},
            delimiter=seed.config.delimiter,
            is_dye=is_dye_seed(seed) and not seed.name.startswith(EXPECTED_PREFIX),
            quotes=seed.config.quote_columns is not False or engine != "postgres",
            engine=engine,
        )

    @cached_property
    def table(self) -> Table:
        """What dbt reads from the file, with declared types or else the types that dbt guesses.

        <CR> stands for a carriage return.
        """
        # takes 2 s to import, too slow for `angiogram --help`
        adapter = import_module(f"dbt.adapters.{self.engine}").Plugin.adapter
        columns = tuple(
            Column(
                name if self.quotes else name.lower(),
                self.declared.get(name) or str(adapter.convert_agate_type(self._read, number)),
            )
            for number, name in enumerate(self._read.column_names)
        )
        rows = tuple(tuple(map(_as_text, row)) for row in self._read.rows)
        return in_batches(self.name, columns, rows) if self.is_dye else Table(self.name, columns, (rows,))

    def rows_read(self, rows: Sequence[TextRow]) -> list[TextRow]:
        """Return rows as dbt would read them from the file: an empty text becomes null.

        Rows are left out if one of their values would make dbt guess another type for its column.
        """
        return [read for row in rows if (read := self._row_read(row))]

    def _row_read(self, row: TextRow) -> TextRow | None:
        from agate.exceptions import CastError

        read: list[str | None] = []
        for number, (kind, value) in enumerate(zip(self._read.column_types, row, strict=True)):
            try:
                text = _as_text(kind.cast(self._written(number, value)))
            except CastError:
                return None
            if text and "." in text and self._guessed(number) == "integer":
                return None  # dbt's reader treats whole numbers like other numbers
            read.append(text)
        return tuple(read)

    def added(self, rows: Sequence[TextRow]) -> SeedRows:
        """Return rows in the form in which they can be added to the file."""
        return SeedRows(
            seed=self.name,
            file=self.shown,
            header=self._text.partition("\n")[0].rstrip("\r"),
            columns=tuple(self._read.column_names),
            rows=tuple(rows),
            lines=self._lines(rows),
        )

    def _lines(self, rows: Sequence[TextRow]) -> str:
        return "".join(self.delimiter.join(self._field(*cell) for cell in enumerate(row)) + "\n" for row in rows)

    @cached_property
    def _read(self) -> Any:
        """Read the file with dbt's own reader."""
        from dbt_common.clients import agate_helper

        return agate_helper.from_csv(self.path, list(self.declared), self.delimiter)

    @cached_property
    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8-sig")

    def _field(self, number: int, value: str | None) -> str:
        """Return a column's value as a field of a line."""
        text = self._written(number, value)
        if value is None:
            return text if len(self.table.columns) > 1 else '""'  # an empty line is not a row
        # Editors strip blanks at the end of a line.
        is_plain = text == text.strip() and not any(sign in text for sign in f'{self.delimiter}"\n')
        return text if is_plain and text else '"' + text.replace('"', '""') + '"'

    def _written(self, number: int, value: str | None) -> str:
        """Return a column's value as the file spells it. Null is an empty text."""
        if value and (self._guessed(number) or "").startswith("timestamp"):
            return datetime.fromisoformat(value).isoformat(" " if number in self._with_blanks else "T")
        return (value or "").replace("\r", CARRIAGE_RETURN)

    def _guessed(self, number: int) -> str | None:
        """The type of a column, or None if it is declared."""
        return None if self._read.column_names[number] in self.declared else self.table.columns[number].type_name

    @cached_property
    def _with_blanks(self) -> set[int]:
        """Columns with a blank, not a T, between day and time.

        dbt guesses a timestamp only if all values of a column are written the same way.
        """
        lines = csv.reader(StringIO(self._text, newline=""), delimiter=self.delimiter)
        return {number for line in list(lines)[1:] for number, text in enumerate(line) if " " in text}


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value).replace(CARRIAGE_RETURN, "\r")
