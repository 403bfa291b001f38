"""Rows as lines of a seed's file: dbt loads from them what they were said to be, or they are not proposed."""

from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.dbt.command import run_in_scratch
from angiogram.judge.cause.seed_files import SeedFile
from angiogram.sensitivity.compiled import compile_project
from angiogram.warehouse.engines.scratch import TextRow

DECLARED = (
    "id: integer, name: text, born: date, seen: timestamp with time zone, noted: timestamp, sum: 'numeric(12, 4)', "
    "ok: boolean, note: varchar(20)"
)
DYE = "id,name,born,seen,noted,sum,ok,note\n1,Ada,2025-01-31,2025-01-31 09:00:00+02,2025-01-31 09:00:00,1.50,true,x\n"
GUESSED = "id,name,born,seen,noted,sum,ok,note\n1,Ada,2025-01-31,2025-01-31T09:00:00,2025-01-31 09:00:00,1.5,true,x\n"
ODD = (
    ("2", 'a "b", c', None, "2025-01-31T23:59:59.999999-09:30", None, "-0.0001", "false", None),
    ("3", " padded ", "2024-02-29", "infinity", "2025-01-31T09:00:00.000001", "99999999.9999", None, "two\nlines"),
    ("4", "007", "infinity", None, "0001-01-01 00:00:00", "0", "t", "éß"),
)
PLAIN = (
    ("2", 'a "b", c', None, "2025-01-31 23:59:59", None, "-0.0001", "False", None),
    ("3", " padded ", "2024-02-29", None, "2025-02-01 09:00:00", "99999999.9999", None, "two\nlines"),
)


def people(project: Path, dye: str, declared: str) -> SeedFile:
    """An input seed in the second project, read by a model."""
    (project / "seeds" / "input" / "people.csv").write_text(dye)
    (project / "models" / "people_seen.sql").write_text("select * from {{ ref('people') }}")
    if declared:
        settings = project / "dbt_project.yml"
        text = settings.read_text()
        settings.write_text(
            text.replace("    input:\n", f"    input:\n      people:\n        +column_types: {{{declared}}}\n")
        )
    return compile_project(project).inputs["people"]


def loaded(
    project: Path, session: connection, file: SeedFile, rows: list[TextRow]
) -> tuple[list[TextRow], list[TextRow]]:
    """What dbt loads from the file with the lines, and what the rows were said to be: both as PostgreSQL reads them."""
    added = file.added(rows)
    with file.path.open("a", encoding="utf-8", newline="") as dye:
        dye.write(added.lines)
    run_in_scratch(project, ["seed", "--select", "people", "--full-refresh"], "angiogram")
    types = ", ".join(f"%s::{column.type_name}" for column in file.table.columns)
    with session.cursor() as query:
        query.execute("select * from angiogram_coffee_shop.people order by id offset 1")
        held: list[TextRow] = query.fetchall()
        said = []
        for row in rows:
            query.execute(f"select {types}", row)
            said += query.fetchall()
    return held, said


@pytest.mark.parametrize(
    ("dye", "declared", "rows"),
    [
        pytest.param(DYE, DECLARED, ODD, id="types declared"),
        pytest.param(GUESSED, "", PLAIN, id="types guessed by dbt"),
    ],
)
def test_dbt_loads_from_the_lines_what_the_rows_were_said_to_be(
    coffee_shop: Path, session: connection, dye: str, declared: str, rows: tuple[TextRow, ...]
) -> None:
    file = people(coffee_shop, dye, declared)
    columns = file.table.columns
    read = file.rows_read(rows)
    assert [[*map(_plain, row)] for row in read] == [[*map(_plain, row)] for row in rows]
    held, said = loaded(coffee_shop, session, file, read)
    assert len(said) > 1
    assert held == said
    assert compile_project(coffee_shop).inputs["people"].table.columns == columns


def _plain(value: str | None) -> str | None:
    """Guessed values come back in the words of Python: a time with a blank in it."""
    return value and value.replace("T", " ")


@pytest.mark.parametrize("text", ["", "  ", "null", " NULL "])
def test_a_text_that_dbt_reads_as_null_is_null(coffee_shop: Path, text: str) -> None:
    file = people(coffee_shop, DYE, DECLARED)
    row = ("2", text, "2025-01-31", None, None, None, None, None)
    assert file.rows_read([row]) == [("2", None, *row[2:])]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("sum", "much", id="a text among numbers"),
        pytest.param("id", "2.5", id="a fraction among whole numbers"),
        pytest.param("noted", "2025-02-01 09:00:00.000001", id="a microsecond among seconds"),
        pytest.param("ok", "maybe", id="a text among booleans"),
    ],
)
def test_a_value_by_which_dbt_would_guess_another_type_is_not_proposed(
    coffee_shop: Path, column: str, value: str
) -> None:
    file = people(coffee_shop, GUESSED, "")
    good = PLAIN[0]
    at = [column.name for column in file.table.columns].index(column)
    assert len(file.rows_read([good])) == 1
    assert file.rows_read([(*good[:at], value, *good[at + 1 :])]) == []


def test_the_columns_are_told_by_the_file_itself(coffee_shop: Path) -> None:
    file = people(coffee_shop, DYE.replace("name", '"full, name"'), DECLARED.replace("name:", "'full, name':"))
    added = file.added([ODD[0]])
    assert added.header == 'id,"full, name",born,seen,noted,sum,ok,note'
    assert added.file == "seeds/input/people.csv"
    assert added.as_json()[0]["full, name"] == 'a "b", c'
    assert added.as_json()[0]["born"] is None
