"""Which rows of an expected seed count as recorded once `accept` has written them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from angiogram.author.output import SeedForm
from angiogram.dbt.seeds.recorded import NO_ROWS, Recorded, RecordedSeed, row_mark, seed_marks, seed_rows


def after_writing(
    name: str, before: str, after: str, key: Sequence[str], form: SeedForm, recorded: Recorded, is_confirmed: bool
) -> RecordedSeed | None:
    """Return what the list says of a seed after its model's output was written into it.

    None: nothing, since no row is recorded.

    All rows of a first filling are recorded. Later, a row is recorded if the row of its key was, or if it changed and
    nobody looked at the change.

    Args:
        name: the seed.
        before, after: its text.
        key: the columns that identify a row.
        form: how dbt reads the file.
        recorded: the list before.
        is_confirmed: whether a person saw the differences and said yes.
    """
    if name in recorded.waiting:
        return RecordedSeed(_now(), tuple(seed_marks(after, form.delimiter)))
    earlier = recorded.seeds.get(name, RecordedSeed())
    left = Counter(recorded.left(name, seed_marks(before, form.delimiter)))
    of_key = {_key(row, key, form): row_mark(row) in left for row in seed_rows(before, form.delimiter)}
    known = Counter(seed_marks(before, form.delimiter))

    def marks() -> Iterator[str]:
        for row in seed_rows(after, form.delimiter):
            mark = row_mark(row)
            is_recorded = mark in left if mark in known else of_key.get(_key(row, key, form), False) or not is_confirmed
            if is_recorded:
                yield mark

    found = tuple(marks())
    if not found and not is_confirmed and not any(seed_rows(after, form.delimiter)):
        found = (NO_ROWS,)
    return RecordedSeed(earlier.recorded_at if earlier.rows == found else _now(), found) if found else None


def _key(row: dict[str, str], key: Sequence[str], form: SeedForm) -> tuple[str, ...]:
    cells = dict(zip(form.columns(list(row)), row.values(), strict=True))
    return tuple(cells.get(column, "") for column in key)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
