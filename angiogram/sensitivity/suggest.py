"""`--suggest`: the rides that close blind spots become dye rides."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile

from angiogram.dye import EMPTY, RIDE_COLUMNS, DyeRide, dye_messages, read_dye
from angiogram.errors import NotReady
from angiogram.expectation import CARRIAGE_RETURN, expected_tables, read_reference
from angiogram.expectation.__main__ import last_day
from angiogram.expectation.seeds import seed_name, seed_text
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.witness import Witness
from angiogram.stored_seeds import StoredSeed, replace_all


def require_calculation(project: Compiled, directory: Path) -> None:
    """Refuse a project for whose rows there is no independent calculation: any but the taxi project.

    Raises:
        NotReady: it is another one.
    """
    if not project.sources:
        raise NotReady(f"{directory} has no independent calculation: add the rows shown to its input seeds by hand.")


def add_to_dye(project: Compiled, directory: Path, found: Iterable[Witness]) -> list[str]:
    """Write rides that close blind spots into the dye, and every expected seed anew, by the independent calculation.

    Args:
        project: one that `require_calculation` lets pass.
        directory: its folder; the seeds lie beside it.
        found: what to add.

    Returns:
        Names of the new rides.

    Raises:
        SeedError: the seeds cannot be read.
        SeedNotWritten: one cannot be written. All are as they were.
    """
    seeds = directory.parent / "seeds"
    path = seeds / "angiogram" / "input" / "dye_rides.csv"
    added: dict[int, DyeRide] = {}
    for witness in found:
        for item in witness.items if witness.closes else ():
            name = f"blind-spot-{witness.mutant.id}-{item.ride_number}"
            why = f"Shows a mistake in {witness.mutant.node}, {witness.mutant.place}: {witness.mutant.operator}."
            added.setdefault(item.ride_number, replace(item, ride_name=name, why=why))
    stored, lines = StoredSeed.read(path), StringIO()
    csv.DictWriter(lines, RIDE_COLUMNS, lineterminator="\n").writerows(map(_row, added.values()))
    dye = (stored.content or b"") + lines.getvalue().encode()
    with NamedTemporaryFile(suffix=path.name) as new:
        new.write(dye)
        new.flush()
        messages = dye_messages(read_dye(Path(new.name)))
    tables = expected_tables(messages, read_reference(seeds / "reference"), last_day(directory / "dbt_project.yml"))
    folder = seeds / "angiogram" / "expected"
    expected = [
        (StoredSeed.read(folder / seed_name(model), may_be_absent=True), seed_text(model, rows).encode())
        for model, rows in tables.items()
    ]
    replace_all(directory, [(stored, dye), *expected])
    return [ride.ride_name for ride in added.values()]


def _row(ride: DyeRide) -> dict[str, str]:
    texts = {
        name: EMPTY if value == "" else (value or "").replace("\r", CARRIAGE_RETURN)
        for name, value in ride.fields.items()
    }
    return {
        "ride_number": str(ride.ride_number),
        "batch": str(ride.batch),
        "ride_name": ride.ride_name,
        "why": ride.why,
        "sent_at": ride.sent_at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z" if ride.sent_at else "",
        "json_fields": " ".join(sorted(ride.json_fields)),
        **texts,
    }
