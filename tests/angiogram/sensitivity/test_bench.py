"""Mutants are run as dbt would run them, and leave nothing behind."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import NotReady, UnmutatedFails
from angiogram.dbt.runnable_forms import GENERIC_TESTS
from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.bench.checks import EQUALITY, GENERIC, other_checks
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.sensitivity.mutants.mutants import Mutant, model_mutants, seed_mutants
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.warehouse.engines.postgres_scratch import PostgresScratch
from tests.angiogram.sensitivity.conftest import TAXI


@pytest.fixture
def bench(session: connection, compiled: Compiled, coffee_shop: Path) -> Bench:
    """The second project on a bench."""
    return Bench(PostgresScratch(session), compiled, surroundings(compiled, coffee_shop)[0].tables)


def mutants_of(bench: Bench, model: str) -> list[Mutant]:
    return list(model_mutants(bench.project, bench.project.models[model], bench.describe))


def test_unmutated_models_equal_their_expected_seeds(bench: Bench) -> None:
    assert bench.unequal_models() == []


def test_both_branches_of_an_incremental_model_are_compiled(compiled: Compiled) -> None:
    tickets = compiled.models["tickets"]
    assert tickets.incremental is not None
    assert "max(changed_at)" not in tickets.sql
    assert "max(changed_at)" in tickets.incremental.sql
    assert tickets.incremental.unique_key == ("ticket_id",)


def test_every_equality_and_every_generic_test_of_the_project_is_among_the_other_checks(compiled: Compiled) -> None:
    checks = [check.kind for check in other_checks(compiled, TAXI)]
    tests = [getattr(node, "test_metadata", None) for node in compiled.manifest.nodes.values()]
    assert checks.count(EQUALITY) == len(compiled.models)
    assert checks.count(GENERIC) == sum(test is not None and test.name in GENERIC_TESTS for test in tests) > 0


@pytest.mark.parametrize(
    ("strategy", "key", "how"),
    [("merge", ("ticket_id",), "survived"), ("delete+insert", ("ticket_id",), "survived"), ("append", (), "differs")],
)
def test_the_merge_decides_what_the_table_holds(bench: Bench, strategy: str, key: tuple[str, ...], how: str) -> None:
    """A changed ticket replaces its row by key; appended, it is there twice."""
    unchanged = bench.originals["tickets"]
    assert unchanged.later is not None
    variant = replace(unchanged, later=replace(unchanged.later, strategy=strategy, unique_key=key))
    assert bench.run(Mutant("m", "tickets", "incremental", "config", "", "", variant)).how == how


def test_a_mutant_of_the_incremental_branch_alone_is_run_there_alone(bench: Bench) -> None:
    [mutant] = [m for m in mutants_of(bench, "tickets") if m.before == "MAX(changed_at)"]
    assert mutant.variant is not None
    assert mutant.variant.sql == bench.originals["tickets"].sql
    assert bench.run(mutant).how == "differs"


def test_a_mutant_of_the_shared_part_is_made_in_both_branches(bench: Bench) -> None:
    mutant = next(m for m in mutants_of(bench, "tickets") if m.before == "menu.kind = 'drink'")
    unchanged = bench.originals["tickets"]
    assert mutant.variant is not None
    assert mutant.variant.later is not None
    assert unchanged.later is not None
    assert mutant.variant.sql != unchanged.sql
    assert mutant.variant.later.sql != unchanged.later.sql


def test_ids_are_stable_and_of_one_mutant_each(bench: Bench) -> None:
    first, second = mutants_of(bench, "guests"), mutants_of(bench, "guests")
    assert [m.id for m in first] == [m.id for m in second]
    assert len({m.id for m in first}) == len(first)


def test_sql_that_postgresql_refuses_is_no_mutant(bench: Bench) -> None:
    unchanged = bench.originals["guests"]
    broken = replace(unchanged, sql=unchanged.sql.replace("COUNT(*)", "COUNT(nowhere)"))
    assert bench.run(Mutant("m", "guests", "column", "visits", "", "", broken)).how == "stillborn"


def test_a_failure_on_the_data_is_seen(bench: Bench) -> None:
    unchanged = bench.originals["guests"]
    failing = replace(unchanged, sql=unchanged.sql.replace("/ 100.0", "/ (100.0 - 100)"))
    assert failing.sql != unchanged.sql
    assert bench.run(Mutant("m", "guests", "literal", "visits", "", "", failing)).how == "fails"


def test_a_mistake_is_seen_downstream_where_its_own_model_has_no_expected_seed(
    session: connection, compiled: Compiled, coffee_shop: Path
) -> None:
    unwatched = replace(compiled.models["base_lines"], expected=None)
    project = replace(compiled, models={**compiled.models, "base_lines": unwatched})
    bench = Bench(PostgresScratch(session), project, surroundings(project, coffee_shop)[0].tables)
    mutant = next(m for m in mutants_of(bench, "base_lines") if m.operator == "condition")
    assert bench.run(mutant).seen_by == "tickets"


def test_what_narrows_a_merge_is_forgotten_piece_by_piece(bench: Bench) -> None:
    tickets = bench.project.models["tickets"]
    assert tickets.incremental is not None
    settings: dict[str, Any] = {
        "update_columns": ("state", "changed_at"),
        "exclude_columns": ("guest_id",),
        "predicates": ("true",),
    }
    narrowed = replace(tickets, incremental=replace(tickets.incremental, **settings))
    made = {m.after for m in model_mutants(bench.project, narrowed, bench.describe) if m.operator == "incremental"}
    assert {text for text in made if " without " in text} == {
        "merge_update_columns without state",
        "merge_update_columns without changed_at",
        "merge_exclude_columns without guest_id",
        "incremental_predicates without true",
    }


@pytest.mark.parametrize("operator", ["seed_row", "seed_double"])
def test_a_reference_row_that_is_dropped_or_there_twice_is_seen(bench: Bench, operator: str) -> None:
    """A lookup with doubles multiplies what it joins."""
    mutants = [m for m in seed_mutants(bench.project.seeds["menu"]) if m.operator == operator]
    assert [bench.run(m).seen_by for m in mutants] == ["tickets"] * 3


def test_a_reference_value_that_postgresql_refuses_is_no_mutant(bench: Bench) -> None:
    menu = bench.project.seeds["menu"]
    refused = menu.with_rows([(*row[:-1], "350~") for row in menu.after(1)])
    assert bench.run(Mutant("m", "menu", "seed_value", "", "", "", table=refused)).how == "stillborn"
    assert bench.unequal_models() == []


def test_nothing_is_left_behind(bench: Bench, session: connection) -> None:
    before = bench.originals
    for mutant in mutants_of(bench, "takings_by_month"):
        bench.run(mutant)
    assert bench.originals == before
    assert bench.unequal_models() == []
    with session.cursor() as query:
        query.execute("select count(*) from pg_class where relpersistence <> 't' and relname like '%takings_by_month%'")
        assert query.fetchall() == [(0,)]


def test_a_project_that_differs_unmutated_cannot_be_measured(coffee_shop: Path) -> None:
    """What dbt does beside a model's SQL may be why, so it is named."""
    seed = coffee_shop / "seeds" / "expected" / "expected__takings_by_month.csv"
    seed.write_text(seed.read_text().replace("8.35", "8.36"))
    model = coffee_shop / "models" / "reports" / "takings_by_month.sql"
    hook = "{{ config(post_hook='update {{ this }} set takings = 0') }}"
    model.write_text(hook + model.read_text())
    project = compile_project(coffee_shop)
    with pytest.raises(
        UnmutatedFails, match=r"differ .*: takings_by_month\..* settings of takings_by_month \(post-hook\)"
    ):
        Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop))


def test_a_session_that_ends_leaves_no_table(bench: Bench, session: connection) -> None:
    session.close()
    with pytest.raises(NotReady):
        bench.unequal_models()
