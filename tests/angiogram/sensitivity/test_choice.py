"""What is measured: a selection, a sample, what is known when somebody interrupts; and what is said of the rest."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from angiogram.cli.sensitivity_cli import sensitivity
from angiogram.core.errors import NothingSelected
from angiogram.sensitivity.bench.bench import MutantOutcome
from angiogram.sensitivity.bench.runner import Runner, Surroundings
from angiogram.sensitivity.bench.score import Score, verdict
from angiogram.sensitivity.choice import chosen, from_packages
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.witnesses.feed import surroundings
from tests.angiogram.edits import edit

app = Typer()
app.command()(sensitivity)


@pytest.fixture
def without_dye(compiled: Compiled, coffee_shop: Path) -> Iterator[Runner]:
    """Workers on the second project without a row of dye, where mutants are compared with the unmutated models."""
    [usual, *_] = surroundings(compiled, coffee_shop)
    empty = [table.with_rows(()) if table.name in compiled.inputs else table for table in usual.tables]
    with Runner(compiled, coffee_shop, "angiogram", [Surroundings("none", empty, against_expected=False)]) as runner:
        yield runner


def test_only_selected_models_are_measured_and_one_that_reads_the_clock_is_named(coffee_shop: Path) -> None:
    """Without the boundary among the dye, there is a blind spot, for which no row is looked for."""
    edit(
        coffee_shop / "models" / "reports" / "takings_by_month.sql",
        "select * from final",
        "select * from final where now() is not null",
    )
    lines = coffee_shop / "seeds" / "input" / "raw_lines.csv"
    lines.write_text(lines.read_text().replace("13,9,MUF,0\n", ""))
    result = CliRunner().invoke(app, ["--json", "--select", "takings_by_month guests", "--no-rows", "--floor", "0.1"])
    score = json.loads(result.stdout)
    assert score["by_model"].keys() == {"takings_by_month", "guests"}
    assert (score["unmeasured"], score["interval"]) == (0, None)
    assert all(not survivor["rows"] for survivor in score["survivors"])
    assert "takings_by_month (current_timestamp)" in " ".join(result.stderr.split())


def test_a_selection_of_nothing_is_refused_and_packages_are_left_out(compiled: Compiled, coffee_shop: Path) -> None:
    with pytest.raises(NothingSelected, match="selected by tag:nothing"):
        chosen(compiled, coffee_shop, "angiogram", ["tag:nothing"])
    assert from_packages(compiled) == set()
    compiled.manifest.metadata.project_name = "another"  # so that these models are those of a package
    assert from_packages(compiled) == compiled.models.keys() | compiled.seeds.keys()
    assert chosen(compiled, coffee_shop, "angiogram", []) == frozenset()
    assert chosen(compiled, coffee_shop, "angiogram", ["guests"]) == {"guests"}


def test_models_without_a_row_are_named_and_an_interrupt_keeps_what_is_known(without_dye: Runner) -> None:
    assert "tickets" in without_dye.empty_models()
    mutants = without_dye.mutants(["guests", "tickets"])
    told = 0

    def interrupted_at_the_third() -> None:
        nonlocal told
        told += 1
        if told == 3:
            raise KeyboardInterrupt

    measured = without_dye.run_within(mutants, interrupted_at_the_third)
    known = [outcome for outcome in measured.outcomes if outcome]
    assert 3 <= len(known) < len(mutants) == len(measured.outcomes)
    assert measured.outcomes[: len(known)] == known == without_dye.run(mutants[: len(known)])[0]
    assert isinstance(measured.interrupt, KeyboardInterrupt)
    assert set(without_dye.run_within(mutants, lambda: None, limit=0).outcomes) == {None}


def test_the_score_of_a_sample_has_an_interval() -> None:
    """Also where all of the sample were seen; a whole has none."""
    mutants = [Mutant(f"m-{number}", "m", "literal", "", "", "") for number in range(100)]

    def score(survivors: int, unmeasured: int) -> Score:
        outcomes = [MutantOutcome(None, "survived" if n < survivors else "differs") for n in range(100)]
        verdicts = [verdict(m, o, (), {}) for m, o in zip(mutants, outcomes, strict=True)]
        return Score(verdicts, 1.0, {}, unmeasured, is_sample=True)

    assert score(10, 0).interval is None
    assert score(10, 50).interval == pytest.approx((0.826, 0.945), abs=0.001)
    assert score(0, 50).interval == pytest.approx((0.963, 1.0), abs=0.001)
