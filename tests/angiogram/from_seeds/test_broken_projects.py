"""A project of which a part is broken is judged all the same: the part is named, and all else is built and compared."""

from pathlib import Path

from angiogram.core.stage_id import StageId
from tests.angiogram.edits import edit
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, stages_of


def test_what_does_not_depend_on_a_broken_model_is_built_and_compared(coffee_shop: Path, judge: Judge) -> None:
    """Jinja that cannot be read, SQL that cannot, and a rule that is wrong: each is named, with file and line."""
    models = coffee_shop / "models"
    edit(models / "core" / "guests.sql", "ref('tickets')", "ref('tickets'")
    edit(models / "reports" / "takings_by_month.sql", "count(*) as tickets", "count(* as tickets")
    edit(models / "base" / "base_guests.sql", "trim(full_name)", "full_name")
    report = judge(coffee_shop)
    assert {*blocked(report)} == {"guests", "takings_by_month", "base_guests"}
    found = {finding["stage"]["name"]: finding for finding in report["findings"]}
    places = {name: (found[name]["kind"], found[name]["file"], found[name]["line"]) for name in found}
    assert places["guests"] == ("build", "models/core/guests.sql", 9)
    assert places["takings_by_month"] == ("build", "models/reports/takings_by_month.sql", 11)
    assert found["base_guests"]["kind"] == "output"
    assert "syntax error" in found["takings_by_month"]["text"]
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert (health["tickets"], health["base_tickets"], health["seed:menu"]) == ("healthy", "healthy", "healthy")


def test_a_reference_seed_that_did_not_load_is_named_and_not_its_readers(coffee_shop: Path, judge: Judge) -> None:
    assert blocked(judge(coffee_shop)) == []
    edit(coffee_shop / "seeds" / "reference" / "menu.csv", "250", "two fifty")
    report = judge(coffee_shop)
    assert blocked(report) == ["seed:menu"]
    (finding,) = report["findings"]
    assert (finding["kind"], finding["file"]) == ("build", "seeds/reference/menu.csv")
    assert 'invalid input syntax for type integer: "two fifty"' in finding["text"]
    assert stages_of(report)["base_lines"]["verdict"] == "healthy"


def test_each_seed_that_cannot_be_read_is_named_and_nothing_else(coffee_shop: Path, judge: Judge) -> None:
    """Another encoding, nothing at all, and a number that is none, below which an incremental model takes batches."""
    expected = coffee_shop / "seeds" / "expected"
    (expected / "expected__guests.csv").write_bytes((expected / "expected__guests.csv").read_bytes() + b"9,Ren\xe9e\n")
    (expected / "expected__base_guests.csv").write_text("\n")
    edit(coffee_shop / "seeds" / "input" / "raw_tickets.csv", "\n1,1,", "\n1,one,")
    report = judge(coffee_shop)
    found = {str(StageId.of(finding["stage"])): finding for finding in report["findings"]}
    assert found.keys() == {*blocked(report)} == {"expected:guests", "expected:base_guests", "seed:raw_tickets"}
    assert {finding["kind"] for finding in found.values()} == {"build"}
    assert "not UTF-8" in found["expected:guests"]["text"]
    assert "expected__base_guests.csv is empty" in found["expected:base_guests"]["text"]
    assert 'invalid input syntax for type integer: "one"' in found["seed:raw_tickets"]["text"]
    stages = stages_of(report)
    assert [stages[name]["verdict"] for name in ("guests", "base_guests")] == ["not_built", "not_compared"]


def test_a_test_by_which_nothing_can_be_compared_is_named_with_its_place(coffee_shop: Path, judge: Judge) -> None:
    """Its key is no column; or its `where` is no SQL, neither on the model nor on what is expected."""
    models = coffee_shop / "models" / "models.yml"
    edit(models, "key: [month]", "key: [mnth]")
    before, guests, after = models.read_text().partition("  - name: guests\n")
    models.write_text(before + guests + after.replace("config: {", "config: {where: 'spend >', ", 1))
    report = judge(coffee_shop)
    assert {*blocked(report)} == {"guests", "takings_by_month"}
    found = {finding["stage"]["name"]: finding for finding in report["findings"]}
    lines = models.read_text().splitlines()
    for name, text in (
        ("takings_by_month", "names no column that is compared: mnth"),
        ("guests", "`where` of its test"),
    ):
        assert (found[name]["kind"], found[name]["file"]) == ("build", "models/models.yml")
        assert lines[found[name]["line"] - 1] == f"  - name: {name}"
        assert text in found[name]["text"]
        assert stages_of(report)[name]["verdict"] == "blocked"


def test_a_batch_that_is_no_number_is_a_column_like_others_and_a_notice(coffee_shop: Path, judge: Judge) -> None:
    edit(
        coffee_shop / "dbt_project.yml", "{id: integer, batch: integer, guest_id", "{id: integer, batch: text, guest_id"
    )
    edit(coffee_shop / "seeds" / "input" / "raw_tickets.csv", "\n1,1,", "\n1,one,")
    report = judge(coffee_shop)
    assert blocked(report) == ["tickets"]
    told = {notice["code"]: notice["text"] for notice in report["notices"]}
    assert told.keys() == {"batch_not_numbered", "incremental_untested"}
    assert "batch of raw_tickets is text" in told["batch_not_numbered"]


def test_where_nothing_can_be_built_the_file_is_named_and_every_model_not_built(
    coffee_shop: Path, judge: Judge
) -> None:
    edit(coffee_shop / "dbt_project.yml", "\nvars:\n", "\nvars: [\n")
    report = judge(coffee_shop)
    assert (report["verdict"], blocked(report)) == ("blocked", ["file:dbt_project.yml"])
    assert {stage["verdict"] for stage in report["stages"]} == {"not_built"}
    assert len(report["stages"]) == 6
