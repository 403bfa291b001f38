"""Survivors are sorted: blind spot, equivalent or unknown; a blind spot becomes a dye ride that sees the mistake."""

import csv
import shutil
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from angiogram.dbt.seeds.dye_seeds import expected_folder
from angiogram.dbt.seeds.seed_text import write_expected
from angiogram.dye.calculation import expected_by
from angiogram.dye.seeds import message_columns, read_dye
from angiogram.sensitivity.bench.bench import MutantOutcome
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.bench.score import verdict
from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.mutants import harmless
from angiogram.sensitivity.mutants.mutants import Mutant, model_mutants
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.suggest import add_to_dye
from angiogram.sensitivity.witnesses.survivors import crowds, told_apart
from angiogram.sensitivity.witnesses.witness import witnesses
from taxi.calculation import CALCULATION
from taxi.contract import CONTRACT
from tests.angiogram.sensitivity.conftest import TAXI

TARGET = "angiogram"
SLICES = 4
"""Random inputs that a single mutant meets here."""


@pytest.mark.parametrize(
    ("how", "apart", "listed", "state"),
    [
        pytest.param("differs", False, False, "seen", id="a difference"),
        pytest.param("fails", False, False, "seen", id="a failure on the data"),
        pytest.param("stillborn", False, False, "stillborn", id="refused whatever the data"),
        pytest.param("survived", True, False, "blind_spot", id="random input shows it"),
        pytest.param("survived", True, True, "blind_spot", id="random input shows it although it is listed"),
        pytest.param("survived", False, True, "equivalent", id="listed with a reason"),
        pytest.param("survived", False, False, "unknown", id="neither"),
        pytest.param("differs", False, True, "seen", id="listed although it is seen"),
    ],
)
def test_a_mutant_is_sorted(how: str, apart: bool, listed: bool, state: str) -> None:
    mutant = Mutant("m-1", "rides", "comparison", "checked", "a", "b")
    found = verdict(mutant, MutantOutcome(None, how), {"m-1"} if apart else {}, {"m-1": "why"} if listed else {})
    assert found.state == state
    assert found.reason == ("why" if state == "equivalent" else None)


@pytest.fixture
def taxi_copy(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The taxi project and its seeds, free to be changed."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(TAXI, copy, symlinks=True, ignore=shutil.ignore_patterns("target*", "logs"))
    shutil.copytree(TAXI.parent / "seeds", tmp_path / "seeds")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(copy))
    return copy


def is_zero(text: str | None) -> bool:
    try:
        return text is not None and Decimal(text.strip()) == 0
    except InvalidOperation:
        return False


def without_free_rides(project: Path) -> int:
    """Take the rides that cost nothing out of the dye, and write the expected seeds anew; how many there were."""
    seeds = project.parent / "seeds"
    path = seeds / "angiogram" / "input" / "dye_rides.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if not is_zero(row["fare_amount"])]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, message_columns(CONTRACT), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    write_expected(expected_folder(project), expected_by(CALCULATION, project))
    return len(rows) - len(kept)


def free_ride_refused(project: Path) -> tuple[Mutant, str]:
    """The mutant that refuses a fare of nothing, and what becomes of it on the dye."""
    compiled = compile_project(project)
    with Runner(compiled, project, TARGET, surroundings(compiled, project)) as runner:
        [mutant] = [
            m
            for m in model_mutants(compiled, compiled.models["int_rides__checked"], runner.first_bench.describe)
            if (m.before, m.after) == ("fare_amount < 0", "fare_amount <= 0")
        ]
        [outcome], _ = runner.run([mutant])
    return mutant, outcome.how


def test_a_blind_spot_becomes_a_dye_ride_that_sees_it(taxi_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rides that cost nothing, fare < 0 cannot be told from fare <= 0; one such ride is suggested.

    Its expected rows come from the independent calculation, so that the unmutated models equal their seeds again.
    """
    assert free_ride_refused(taxi_copy)[1] == "differs"
    assert without_free_rides(taxi_copy) > 0
    mutant, how = free_ride_refused(taxi_copy)
    assert how == "survived"
    compiled = compile_project(taxi_copy)
    inputs = crowds(compiled, taxi_copy)[:SLICES]
    apart = told_apart(compiled, taxi_copy, TARGET, [mutant], inputs)
    monkeypatch.setattr(harmless, "TRIES", 12)  # enough for one ride, and builds take their time
    [witness] = witnesses(compiled, taxi_copy, TARGET, [mutant], apart, inputs)
    assert witness.closes
    [ride] = witness.items
    assert is_zero(ride.fields["fare_amount"])
    [name] = add_to_dye(CALCULATION, taxi_copy, [witness])
    added = read_dye(taxi_copy)[-1]
    assert (added.name, added.number, added.batch) == (name, ride.number, 2)
    assert added.fields == ride.fields
    assert free_ride_refused(taxi_copy) == (mutant, "differs")
