"""Which rows of an expected seed count as recorded after `angiogram accept` wrote them, and after people changed it."""

import pytest

from angiogram.author.output import USUAL, SeedForm
from angiogram.author.recording import after_writing
from angiogram.dbt.seeds.recorded import NO_ROWS, Recorded, RecordedSeed, row_mark, seed_marks

BEFORE = "id,town\n1,Rome\n2,Oslo\n"
NAME = "expected__towns"


def listed(*rows: str, confirmed: frozenset[str] = frozenset()) -> Recorded:
    return Recorded({NAME: RecordedSeed("2026-06-01T00:00:00+00:00", rows)}, {NAME: confirmed})


def of(identity: int, town: str) -> str:
    return row_mark({"id": str(identity), "town": town})


def test_the_first_rows_are_all_recorded_and_no_rows_are_too() -> None:
    waiting = Recorded({NAME: RecordedSeed()})
    for after, marks in ((BEFORE, (of(1, "Rome"), of(2, "Oslo"))), ("id,town\n", (NO_ROWS,))):
        found = after_writing(NAME, "id,town\n", after, ["id"], USUAL, waiting, is_confirmed=True)
        assert found is not None
        assert (found.recorded_at is not None, found.rows) == (True, marks)


@pytest.mark.parametrize(
    ("after", "is_confirmed", "rows"),
    [
        pytest.param("id,town\n1,Rome\n2,Bergen\n", True, [(1, "Rome")], id="a worked-out row that a person accepts"),
        pytest.param("id,town\n1,Rome\n2,Bergen\n", False, [(1, "Rome"), (2, "Bergen")], id="nobody looked"),
        pytest.param("id,town\n1,Pisa\n2,Oslo\n", True, [(1, "Pisa")], id="a recorded row stays recorded"),
        pytest.param("id,town\n2,Oslo\n", True, [], id="a recorded row is gone"),
        pytest.param(BEFORE + "3,Riga\n", True, [(1, "Rome")], id="a new row that a person accepts"),
    ],
)
def test_a_row_is_recorded_until_a_person_looked_at_it(
    after: str, is_confirmed: bool, rows: list[tuple[int, str]]
) -> None:
    found = after_writing(NAME, BEFORE, after, ["id"], USUAL, listed(of(1, "Rome")), is_confirmed)
    assert list(found.rows if found else ()) == [of(*row) for row in rows]


def test_a_confirmed_row_stays_confirmed_when_others_are_written() -> None:
    recorded = listed(of(1, "Rome"), of(2, "Oslo"), confirmed=frozenset({of(1, "Rome")}))
    found = after_writing(NAME, BEFORE, "id,town\n1,Rome\n2,Bergen\n", ["id"], USUAL, recorded, is_confirmed=True)
    assert found is not None
    assert found.rows == (of(2, "Bergen"),)


def test_a_row_that_a_person_changes_is_no_longer_recorded_in_whatever_form_the_file_is() -> None:
    recorded = listed(*seed_marks(BEFORE))
    assert len(recorded.left(NAME, seed_marks("town;id\r\nRome;1\r\nBergen;2\r\n", ";"))) == 1
    assert recorded.left(NAME, seed_marks("id,town,note\n1,Rome,\n2,Oslo,mine\n")) == [of(1, "Rome")]


def test_equal_rows_count_as_often_as_they_were_recorded() -> None:
    twice = "id,town\n1,Rome\n1,Rome\n"
    assert listed(*seed_marks(twice)).left(NAME, seed_marks(twice)) == [of(1, "Rome")] * 2
    assert listed(of(1, "Rome")).left(NAME, seed_marks(twice)) == [of(1, "Rome")]


def test_key_columns_are_found_as_dbt_names_them() -> None:
    form = SeedForm(quotes=False)
    recorded = listed(row_mark({"ID": "1", "town": "Rome"}))
    found = after_writing(NAME, "ID,town\n1,Rome\n", "ID,town\n1,Pisa\n", ["id"], form, recorded, is_confirmed=True)
    assert found is not None
    assert found.rows == (row_mark({"ID": "1", "town": "Pisa"}),)
