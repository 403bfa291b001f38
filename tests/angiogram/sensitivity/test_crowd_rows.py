"""Random rows of any project: those that its own models cannot take are left out, and the command goes on."""

import re
from dataclasses import replace
from pathlib import Path

from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.mutants.mutants import Mutant, Variant, original
from angiogram.sensitivity.witnesses.survivors import crowds, told_apart
from angiogram.sensitivity.witnesses.witness import witnesses


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_rows_that_a_model_fails_on_are_left_out_and_counted(coffee_shop: Path) -> None:
    """A text that a model casts: random ones are no numbers."""
    project_file, model = coffee_shop / "dbt_project.yml", coffee_shop / "models" / "base" / "base_lines.sql"
    edit(project_file, "cups: integer}\n    expected", "cups: text}\n    expected")
    edit(model, "        cups\n", "        cups::integer as cups\n")
    edit(model, "cups > 0", "cups::integer > 0")
    project = compile_project(coffee_shop)
    unchanged = original(project, project.models["base_lines"])
    changed = Variant(unchanged.sql.replace("> 0", "> 0 AND sku <> ' LAT'"), None)
    assert changed != unchanged
    same = Mutant("same", "base_lines", "", "", "", "", unchanged)
    other = replace(same, id="other", variant=changed)
    first = crowds(project, coffee_shop)[0]
    said: list[str] = []
    apart = told_apart(project, coffee_shop, "angiogram", [same, other], [first], said.append)
    assert apart.keys() == {"other"}
    [text] = said
    told = re.match(r"(\d+) of 1,998 random inputs are left out, .*: base_lines cannot be built", text)
    assert told is not None
    assert 0 < int(told[1]) < 500
    [witness] = witnesses(project, coffee_shop, "angiogram", [other], apart, [first])
    assert witness.closes
    assert [name for name, _ in witness.items] == ["raw_lines"]
