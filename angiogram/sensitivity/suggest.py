"""Blind spots shown: the smallest input that a mutant spoils unseen, and `--suggest`, which makes dye of it."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

from angiogram.dye import EMPTY, RAW_FIELDS, RIDE_COLUMNS, DyeRide, dye_messages, read_dye
from angiogram.errors import NotReady
from angiogram.expectation import CARRIAGE_RETURN, expected_tables, read_reference, write_expected
from angiogram.expectation.__main__ import last_day
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants import Mutant
from angiogram.sensitivity.survivors import Crowd, smallest


@dataclass(frozen=True, slots=True)
class Witness:
    """The fewest rides, or rows of input seeds, that tell a mutant from the original.

    Attributes:
        mutant: the mutant.
        items: rides, or rows with the names of their seeds.
    """

    mutant: Mutant
    items: tuple[Any, ...]

    def words(self) -> str:
        """The items as text for people."""
        return "; ".join(
            ", ".join(f"{name} {item.fields[name]!r}" for name in RAW_FIELDS if item.fields[name] is not None)
            if isinstance(item, DyeRide)
            else repr(item)
            for item in self.items
        )


def witnesses(
    project: Compiled, directory: Path, target: str, blind: Sequence[Mutant], apart: Mapping[str, Crowd]
) -> list[Witness]:
    """The smallest input for each of some blind spots."""
    return [Witness(m, tuple(smallest(project, directory, target, m, apart[m.id]))) for m in blind]


def require_calculation(project: Compiled, directory: Path) -> None:
    """Refuse a project for whose rows there is no independent calculation: any but the taxi project.

    Raises:
        NotReady: it is another one.
    """
    if not project.sources:
        raise NotReady(f"{directory} has no independent calculation: add the rows shown to its input seeds by hand.")


def add_to_dye(project: Compiled, directory: Path, found: Iterable[Witness]) -> list[str]:
    """Write each witness as new dye rides of batch 2, and every expected seed anew, by the independent calculation.

    Args:
        project: one that `require_calculation` lets pass.
        directory: its folder; the seeds lie beside it.
        found: what to add.

    Returns:
        Names of the new rides.

    Raises:
        SeedError: the seeds cannot be read.
    """
    seeds = directory.parent / "seeds"
    path = seeds / "angiogram" / "input" / "dye_rides.csv"
    rides = read_dye(path)
    latest = max(ride.sent_at for ride in rides)
    highest = max(ride.ride_number for ride in rides)
    added: list[DyeRide] = []
    for witness in found:
        for item in witness.items:
            number = highest + len(added) + 1
            added.append(
                replace(
                    item,
                    ride_number=number,
                    batch=2,
                    ride_name=f"blind-spot-{witness.mutant.id}-{number}",
                    why=f"Shows a mistake in {witness.mutant.node}, {witness.mutant.place}: {witness.mutant.operator}.",
                    sent_at=max(item.sent_at, latest),
                )
            )
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, RIDE_COLUMNS, lineterminator="\n").writerows(map(_row, added))
    tables = expected_tables(
        dye_messages(read_dye(path)), read_reference(seeds / "reference"), last_day(directory / "dbt_project.yml")
    )
    write_expected(seeds / "angiogram" / "expected", tables)
    return [ride.ride_name for ride in added]


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
        "sent_at": ride.sent_at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z",
        "json_fields": " ".join(sorted(ride.json_fields)),
        **texts,
    }
