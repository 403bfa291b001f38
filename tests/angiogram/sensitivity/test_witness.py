"""What is proposed for a blind spot closes it: the rows are pasted into the seeds, as a user would do it."""

import json
import re
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from angiogram.cli.sensitivity_cli import sensitivity
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.sensitivity.mutants.mutants import Mutant, Variant, original
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.new_keys import repeated_keys, with_new_keys
from angiogram.sensitivity.witnesses.survivors import crowds, told_apart
from angiogram.sensitivity.witnesses.witness import Witness, witnesses
from tests.angiogram.conftest import command
from tests.angiogram.sensitivity.test_crowd_rows import edit
from tests.angiogram.sensitivity.test_survivors import SLICES

TARGET = "angiogram"

app = Typer()
app.command()(sensitivity)

FILE = re.compile(r"^(seeds/\S+\.csv):\n(.+?)\n\n", re.MULTILINE | re.DOTALL)
"""What the terminal shows of an input seed: its file, its header and lines to be added."""


def run(*arguments: str) -> Result:
    """Run the command on the project that DBT_PROJECT_DIR names."""
    return CliRunner().invoke(app, arguments)


def paste(project: Path, shown: str) -> None:
    """Add the lines that the terminal shows to the files that it names."""
    for name, text in FILE.findall(shown):
        file = project / name
        header, _, lines = text.partition("\n")
        assert file.read_text().startswith(f"{header}\n")
        with file.open("a") as seed:
            seed.write(f"{lines}\n")


def accept_all() -> None:
    """Let the models' output become their expected seeds: the models are right."""
    done = command("accept", "--yes")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("seed", "row"),
    [
        pytest.param("raw_tickets", "8,2,2,2024-12-31,void,2025-03-01 09:00:00\n", id="a late row"),
    ],
)
def test_the_rows_shown_are_pasted_and_the_blind_spot_is_gone(
    coffee_shop: Path, monkeypatch: pytest.MonkeyPatch, seed: str, row: str
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(coffee_shop / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(coffee_shop / "logs"))
    edit(coffee_shop / "seeds" / "input" / f"{seed}.csv", row, "")
    accept_all()
    before = run("--shown", "100").stdout
    assert "blind_spot" in before
    assert f"seeds/input/{seed}.csv:\n" in before

    paste(coffee_shop, before)
    accept_all()
    after = json.loads(run("--json").stdout)
    assert (after["blind_spots"], after["unknown"]) == (0, 0), after["survivors"]


def project_with(folder: Path, sql: str, expected: str, types: str) -> Compiled:
    """The second project with one more model, `extra`, compared with what is expected of it."""
    (folder / "models" / "reports" / "extra.sql").write_text(sql)
    (folder / "seeds" / "expected" / "expected__extra.csv").write_text(expected)
    declared = f"    expected:\n      expected__extra:\n        +column_types: {{{types}}}\n"
    edit(folder / "dbt_project.yml", "    expected:\n", declared)
    return compile_project(folder)


def witness_of(project: Compiled, folder: Path, right: str, wrong: str) -> Witness:
    """What is proposed for a mistake in the model `extra` that the dye does not show."""
    variant = original(project, project.models["extra"])
    assert right in variant.sql
    mutant = Mutant("extra-1", "extra", "", "", right, wrong, Variant(variant.sql.replace(right, wrong), None))
    with Runner(project, folder, TARGET, surroundings(project, folder)) as runner:
        [outcome], _ = runner.run([mutant])
    assert outcome.how == "survived"
    inputs = crowds(project, folder)[:SLICES]
    apart = told_apart(project, folder, TARGET, [mutant], inputs)
    [witness] = witnesses(project, folder, TARGET, [mutant], apart, inputs)
    return witness


def test_rows_show_the_mistake_beside_the_dye_under_keys_of_their_own(coffee_shop: Path) -> None:
    """Alone any muffin would do; beside the dye, where five espressos are the most, only six of them."""
    sql = "select max(cups) as most from {{ ref('raw_lines') }} where sku <> 'MUF'"
    project = project_with(coffee_shop, sql, "most\n5\n", "most: integer")
    witness = witness_of(project, coffee_shop, "<> 'MUF'", "<> 'XXX'")
    [(seed, row)] = witness.items
    assert witness.closes
    assert (seed, row[0], row[2], row[3]) == ("raw_lines", "21", "MUF", "6")
    assert row[1] in {own[0] for own in project.dye["raw_tickets"].batches[-1]}
    told = witness.told(project)
    assert told.repeats == ()
    assert "repeat" not in told.sentence()


def test_a_key_of_the_dye_is_repeated_where_nothing_else_shows_the_mistake_and_that_is_said(coffee_shop: Path) -> None:
    sql = "select count(*) as adas from {{ ref('base_guests') }} where guest_id = 3 and guest_name = 'Ada'"
    project = project_with(coffee_shop, sql, "adas\n0\n", "adas: bigint")
    witness = witness_of(project, coffee_shop, "'Ada'", "'Bela'")
    [(seed, (guest, _))] = witness.items
    assert (seed, guest, witness.closes) == ("raw_guests", "3", True)
    told = witness.told(project)
    assert told.repeats == ("id 3 of raw_guests",)
    assert "repeat keys of the dye, for nothing else shows it: id 3 of raw_guests" in told.sentence()


def test_what_cannot_go_through_a_seed_is_not_proposed(coffee_shop: Path) -> None:
    """An empty text, which dbt reads as null: shown in the dye's place, and said to close nothing."""
    sql = "select count(*) as named from {{ ref('raw_guests') }} where full_name <> ''"
    project = project_with(coffee_shop, sql, "named\n6\n", "named: bigint")
    witness = witness_of(project, coffee_shop, "full_name <> ''", "full_name IS NOT NULL")
    assert not witness.closes
    [(seed, (_, name))] = witness.items
    assert (seed, name) == ("raw_guests", "")
    assert "No rows were found" in witness.told(project).sentence()


def test_rows_that_break_a_test_of_the_project_are_proposed_only_where_no_others_show_the_mistake(
    coffee_shop: Path,
) -> None:
    """The state is one of three: a new ticket in none of them is no sound row."""
    sql = "select count(*) as paid from {{ ref('base_tickets') }} where state = 'paid' and ticket_id > 15"
    project = project_with(coffee_shop, sql, "paid\n0\n", "paid: bigint")
    accepted = "      - name: state\n        data_tests: [accepted_values: {arguments: {values: [open, paid, void]}}]\n"
    edit(
        coffee_shop / "models" / "models.yml",
        "  - name: base_lines\n",
        f"    columns:\n{accepted}  - name: base_lines\n",
    )
    project = compile_project(coffee_shop)
    witness = witness_of(project, coffee_shop, "state = 'paid'", "state > 'paid'")
    assert witness.closes
    assert {row[4].lower() for seed, row in witness.items if seed == "raw_tickets"} <= {"paid", "void", "open"}


def test_new_keys_are_equal_where_the_keys_were_in_whichever_seed_they_are(compiled: Compiled) -> None:
    rows = [
        ("raw_guests", ("2", "Bela")),
        ("raw_guests", ("900", "Ada")),
        ("raw_tickets", ("6", "1", "2", None, "open", None)),
        ("raw_tickets", ("6", "1", "900", None, "paid", None)),
        ("raw_tickets", ("7", "1", "5", None, "paid", None)),
        ("raw_tickets", ("8", "1", "777", None, "paid", None)),
    ]
    taken = [("raw_tickets", ("23", "1", "1", None, "open", None))]
    made = with_new_keys(compiled, rows, taken)
    assert [row for seed, row in made if seed == "raw_guests"] == [("24", "Bela"), ("25", "Ada")]
    tickets = [row for seed, row in made if seed == "raw_tickets"]
    assert [row[0] for row in tickets] == ["26", "26", "27", "28"]
    assert [row[2] for row in tickets[:3]] == ["24", "25", "5"]
    assert tickets[3][2] in {own[0] for own in compiled.dye["raw_guests"].batches[-1]}
    assert repeated_keys(compiled, made) == []
