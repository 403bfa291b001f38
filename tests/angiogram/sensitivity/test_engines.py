"""The taxi project's mutants on PostgreSQL and on DuckDB: the same verdict where the SQL means the same."""

import pytest

from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.survivors import read_equivalent
from tests.angiogram.sensitivity.conftest import TAXI

TARGETS = {"postgres": "angiogram", "duckdb": "duckdb"}
SEEN = ("differs", "fails", "timeout")

DIFFERENT = {
    "DuckDB heeds no length of a text": ("seen", "survived", ("5c3e14ba", "659cd337")),
    "readable_timestamp asks pg_input_is_valid on PostgreSQL alone": (
        *("survived", "seen"),
        ("1b9163e8", "3cd1fb46", "85319110", "a2d448d2", "b7393272"),
    ),
    "PostgreSQL skips a tilde after a zone": ("survived", "seen", ("02c5c0f3", "049398d4", "0d5cf55e", "538c26e5")),
    "PostgreSQL refuses a zone of 16 hours": ("survived", "seen", ("b75b2730",)),
    "DuckDB reads no second 60, and no other sign than a point before a fraction": (
        *("seen", "survived"),
        ("76caffe3", "aa327bcd", "c66b55ba", "c979335c"),
    ),
}
"""Mutants of stg_taxi__rides with other verdicts, by the reason: first on PostgreSQL, then on DuckDB."""

Verdicts = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def verdicts(database: str) -> dict[str, Verdicts]:
    """Operator and verdict of each mutant by its id, by engine."""
    found: dict[str, Verdicts] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_PROFILES_DIR", str(TAXI))
        for engine, target in TARGETS.items():
            project = compile_project(TAXI, target)
            with Runner(project, TAXI, target, surroundings(project, TAXI)) as runner:
                mutants = runner.mutants()
                outcomes = [outcome.how for outcome in runner.run(mutants)[0]]
            found[engine] = {
                mutant.id: (mutant.operator, "seen" if how in SEEN else how)
                for mutant, how in zip(mutants, outcomes, strict=True)
            }
    return found


@pytest.mark.parametrize("engine", TARGETS)
def test_the_dye_sees_every_mistake_in_the_taxi_models_but_the_known(
    verdicts: dict[str, Verdicts], engine: str
) -> None:
    """`make sensitivity` also tries the equivalent ones on 20,000 random rides; here they are only looked up.

    On DuckDB three more survive: see below.
    """
    survivors = {name for name, (_, verdict) in verdicts[engine].items() if verdict == "survived"}
    assert len(verdicts[engine]) > 1000
    listed = {name for name in read_equivalent(TAXI, engine) if name in verdicts[engine]}
    blind = {f"stg_taxi__rides-{one}" for one in ("f855bd68", "5a026bc9", "a998f25c")}
    assert survivors - (blind if engine == "duckdb" else set()) == listed


def test_a_mutant_has_the_same_verdict_where_its_sql_means_the_same(verdicts: dict[str, Verdicts]) -> None:
    """DuckDB gives a column that is selected twice another name, and has a smallest uuid, so it refuses neither."""
    postgres, duckdb = verdicts["postgres"], verdicts["duckdb"]
    common = postgres.keys() & duckdb.keys()
    assert len(common) > 1400
    told_apart = {
        f"stg_taxi__rides-{one}": (first, second) for first, second, mutants in DIFFERENT.values() for one in mutants
    }
    refused = {
        name
        for name in common
        if postgres[name] in (("column", "stillborn"), ("group_key", "stillborn")) and duckdb[name][1] == "seen"
    }
    assert 150 < len(refused) < 250
    differ = {name: (postgres[name][1], duckdb[name][1]) for name in common - refused if postgres[name] != duckdb[name]}
    assert differ == told_apart
