"""A scratch session in DuckDB, in memory: each new table replaces the one of its name."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from psycopg2 import sql

from angiogram.core.errors import NotReady
from angiogram.dbt.manifest.expectation import EXACTLY, Expectation
from angiogram.warehouse.engines.duckdb import DuckEngine, DuckSession, rendered
from angiogram.warehouse.engines.portable import json_text
from angiogram.warehouse.engines.protocol import Statement
from angiogram.warehouse.engines.scratch import (
    TIMEOUT_S,
    Columns,
    FailsOnData,
    RefusedAlways,
    ScratchError,
    Shape,
    TakesTooLong,
    TextRow,
    chosen,
)

_HASHED = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|VARCHAR|BOOLEAN|UUID|DATE|TIME"
    r"|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?)"
)
"""Types of which equal values have one hash. Others are compared by their JSON text, as a run compares them."""

_OPTIMIZERS = ("filter_pushdown",)
"""What the optimizer still does: without it a condition on two tables would pair all of their rows."""

_PRECISION = re.compile(r"\(.*\)$")


class DuckScratch:
    """See `angiogram.warehouse.engines.scratch.Scratch`.

    On tables as small as the dye DuckDB spends its time on planning. So most of its optimizer is off, and tables are
    compared by the 64-bit hashes of their rows, since one set operation takes as long as a model. Nothing is undone: a
    mutant reads no table that it did not make.
    """

    dialect = "duckdb"
    temporary_schema = "temp"

    def __init__(self, credentials: Any) -> None:
        """Open a database in memory.

        Args:
            credentials: of the dbt target, whose extensions and options the session gets.
        """
        from dbt.adapters.duckdb.environments import create

        in_memory = replace(credentials, path=":memory:", database="memory", attach=None)
        self._session = DuckSession(create(in_memory))
        self._connection = self._session.connection
        self._engine = DuckEngine()
        self._own: dict[str, Columns | None] = {}
        self._begun: float | None = None
        self._closed = threading.Event()
        self._connection.execute("set threads = 1")
        found = self._connection.execute("select name from duckdb_optimizers()").fetchall()
        unneeded = ",".join(name for (name,) in found if name not in _OPTIMIZERS)
        self._connection.execute(f"set disabled_optimizers = '{unneeded}'")
        threading.Thread(target=self._watch, name="statements of sensitivity", daemon=True).start()

    def begin(self, time_zone: str | None) -> None:
        """Drop all tables, and set the time zone."""
        for name in self._own:
            self._execute(f"drop table if exists temp.{_quoted(name)}")
        self._own.clear()
        self.run(sql.SQL("set TimeZone = {}").format(sql.Literal(time_zone or "UTC")))

    def settle(self) -> None:
        """Do nothing: what was made stays."""

    def undo(self) -> None:
        """Do nothing: what a mutant left is replaced before another one reads it."""

    def fill(self, name: str, columns: Columns, rows: Iterable[TextRow]) -> None:
        """Make a table of rows whose values are texts, or null."""
        typed = ", ".join(f"{_quoted(column)} {type_name}" for column, type_name in columns)
        self._create(name, f"({typed})")
        values = ", ".join(f"cast(held ->> '$[{n}]' as {kind})" for n, (_, kind) in enumerate(columns))
        self._execute(
            f"insert into temp.{_quoted(name)} select {values}"  # noqa: S608  names are quoted, values are bound
            " from (select unnest(cast(cast(? as json) as json[])) as held)",
            [json.dumps([list(row) for row in rows])],
        )

    def make(self, name: str, query: str) -> None:
        """Make a table of a query's rows."""
        self._create(name, f"as {query}")

    make_again = make

    def copy(self, name: str, original: str) -> None:
        """Make a table like another one, with its rows."""
        self._create(name, f"as from temp.{_quoted(original)}")
        self._own[name] = self._own.get(original)

    def run(self, statement: Statement) -> None:
        """Run a statement."""
        self._execute(statement if isinstance(statement, str) else rendered(statement))

    def finds_rows(self, query: str) -> bool:
        """Whether a query finds rows, or cannot be run."""
        try:
            return bool(self._rows(f"select exists (select 1 from ({query}) as found)")[0][0])  # noqa: S608
        except (RefusedAlways, FailsOnData):
            return True

    def rows(self, query: str, most: int) -> list[TextRow]:
        """The first rows of a query of texts."""
        return self._rows(query)[:most]

    def describe(self, query: str) -> Columns:
        """Names and types of a query's columns, without precisions."""
        described = self._described(f"select * from ({query}) as described limit 0")  # noqa: S608
        return tuple((name, _PRECISION.sub("", kind)) for name, kind in described)

    def columns(self, name: str) -> Columns:
        """Names and types of a table's columns, by name."""
        return self._columns(name, ())

    def shape(
        self,
        name: str,
        excluded: Sequence[str] = (),
        where: str | None = None,
        own_where: str | None = None,
        how: Expectation = EXACTLY,
    ) -> Shape:
        """Return what other tables are compared with."""
        columns = chosen(self._columns(name, excluded), how)
        content = self._content(name, columns, own_where, how)
        return Shape(name, columns, tuple(excluded), where, own_where, content, how)

    def differs(self, name: str, expected: Shape) -> bool:
        """Whether a table differs from the expected one."""
        columns = expected.chosen(self._columns(name, expected.excluded))
        if not expected.has_same(columns):
            return True
        different: bool = self._content(name, columns, expected.where, expected.how) != expected.content
        return different

    def has_stranger(self, name: str, expected: Shape) -> bool:
        """Whether a table has a row that the expected one does not have."""
        columns = expected.chosen(self._columns(name, expected.excluded))
        if not expected.has_same(columns) or not columns:
            return False
        return not set(expected.content).issuperset(self._content(name, columns, expected.where, expected.how))

    def digest(self, shape: Shape) -> str | None:
        """A hash of a table's compared rows."""
        return hashlib.sha256(repr(shape.content).encode()).hexdigest()

    def fixture(self, name: str, like: str, rows: Any) -> None:
        """Make a table with the columns of another one."""
        self._create(name, f"as select * from temp.{_quoted(like)} limit 0")  # noqa: S608
        for row in rows:
            names, places = ", ".join(map(_quoted, row)), ", ".join("?" * len(row))
            texts = [None if value is None else str(value) for value in row.values()]
            self._execute(f"insert into temp.{_quoted(name)} ({names}) values ({places})", texts)  # noqa: S608

    def close(self) -> None:
        """End the session."""
        self._closed.set()
        self._session.close()

    def _create(self, name: str, rest: str) -> None:
        self._own[name] = None
        self._execute(f"create or replace temporary table {_quoted(name)} {rest}")

    def _columns(self, name: str, excluded: Sequence[str]) -> Columns:
        if (known := self._own.get(name)) is None:
            known = self._own[name] = tuple(sorted(self._described(f"select * from temp.{_quoted(name)} limit 0")))  # noqa: S608
        return tuple(column for column in known if column[0] not in excluded) if excluded else known

    def _content(self, name: str, columns: Columns, where: str | None, how: Expectation) -> list[int]:
        """The hashes of the rows, in order."""
        hashed = self._hashed(columns, how) if columns else "1"
        found = self._rows(f"select {hashed} from temp.{_quoted(name)} where\n{where or 'true'}\n")  # noqa: S608
        return sorted(row[0] for row in found)

    def _hashed(self, columns: Columns, how: Expectation) -> str:
        return f"hash({', '.join(self._cell(name, kind, how) for name, kind in columns)})"

    def _cell(self, name: str, kind: str, how: Expectation) -> str:
        """A cell as it is hashed: two that are equal have one text."""
        if name in how.precision and kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")):
            return json_text(self._engine.name, f"round({_quoted(name)}, {how.precision[name]})", kind)
        if how.types and _HASHED.fullmatch(kind):
            return _quoted(name)
        return rendered(self._engine.as_json(name, kind)).replace("%%", "%")

    def _described(self, query: str) -> list[tuple[str, str]]:
        return [(name, str(kind)) for name, kind, *_ in self._execute(query).description or ()]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._told():
            found: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return found

    def _execute(self, query: str, values: Any = None) -> Any:
        with self._told():
            return self._connection.execute(query, values) if values else self._connection.execute(query)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what happened as the protocol's errors."""
        import duckdb

        self._begun = time.monotonic()
        try:
            yield
        except duckdb.InterruptException as error:
            raise TakesTooLong(str(error)) from error
        except (
            duckdb.BinderException,
            duckdb.CatalogException,
            duckdb.ParserException,
            duckdb.SyntaxException,
            duckdb.NotSupportedError,
        ) as error:
            raise RefusedAlways(str(error)) from error
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, duckdb.OutOfMemoryException) as error:
            raise FailsOnData(str(error)) from error
        except duckdb.Error as error:
            if isinstance(error, duckdb.FatalException | duckdb.ConnectionException):
                raise NotReady(f"The database in memory is lost: {str(error).strip()}") from error
            raise ScratchError(str(error)) from error
        finally:
            self._begun = None

    def _watch(self) -> None:
        """Interrupt a statement that takes too long: DuckDB has no setting for that."""
        while not self._closed.wait(1):
            begun = self._begun
            if begun is not None and time.monotonic() - begun > TIMEOUT_S:
                self._connection.interrupt()


def _quoted(name: str) -> str:
    return rendered(sql.Identifier(name))
