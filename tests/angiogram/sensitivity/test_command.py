"""`angiogram sensitivity`: the score of another project, by the command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from angiogram.cli.sensitivity_cli import sensitivity
from angiogram.core.errors import UnsupportedProject

app = Typer()
app.command()(sensitivity)


@pytest.fixture
def run(coffee_shop: Path) -> Callable[..., Result]:
    """Function that runs the command on the second project."""
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_another_project_is_measured(run: Callable[..., Result], coffee_shop: Path) -> None:
    page, badge = coffee_shop / "page.html", coffee_shop / "badge.svg"
    result = run("--json", "--floor", "1.0", "--page", str(page), "--badge", str(badge))
    score = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (score["score"], score["unknown"], score["blind_spots"]) == (1.0, 0, 0)
    assert (
        score["mutants"] == score["seen"] + score["equivalent"] == sum(m["mutants"] for m in score["by_model"].values())
    )
    assert score["by_operator"]["incremental"]["seen"] == 2
    assert score["mutants_per_second"] > 0
    assert score["seen_elsewhere"] == 0, "no source, so nowhere else for the dye to lie"
    assert all(f'id="model={name}"' in page.read_text() for name in score["by_model"])
    assert "100.0 %" in badge.read_text()


def test_a_dye_without_its_boundary_falls_below_the_floor_and_the_rows_are_shown(
    run: Callable[..., Result], coffee_shop: Path
) -> None:
    """Without the line of no cups, nothing tells cups > 0 from cups >= 0. JSON and page have the same row."""
    lines = coffee_shop / "seeds" / "input" / "raw_lines.csv"
    lines.write_text(lines.read_text().replace("13,9,MUF,0\n", ""))
    page = coffee_shop / "page.html"
    result = run("--json", "--floor", "1.0", "--shown", "1", "--page", str(page))
    score = json.loads(result.stdout)
    assert result.exit_code == 1
    [survivor] = [s for s in score["survivors"] if s["after"] == "cups >= 0"]
    assert survivor["state"] == "blind_spot"
    assert (survivor["closes"], survivor["repeats"], survivor["spoils"]) == (True, [], None)
    [row] = survivor["rows"]["raw_lines"]
    assert (row["id"], row["cups"]) == ("21", "0")
    lines_to_paste = f"id,ticket_id,sku,cups\n21,{row['ticket_id']},{row['sku']},0\n"
    assert f"seeds/input/raw_lines.csv:</p><pre>{lines_to_paste}</pre>" in page.read_text()


def test_dye_of_a_project_without_an_independent_calculation_is_added_by_hand(
    run: Callable[..., Result], coffee_shop: Path
) -> None:
    """That is said before any work is done; so is which models nobody compares."""
    models = coffee_shop / "models" / "models.yml"
    models.write_text(models.read_text().partition("  - name: takings_by_month\n")[0])
    (coffee_shop / "seeds" / "expected" / "expected__takings_by_month.csv").unlink()
    result = run("--suggest", "--shown", "1")
    assert isinstance(result.exception, UnsupportedProject)
    assert "by hand" in str(result.exception)
    assert "Not compared, because the expected seed is missing: takings_by_month." in " ".join(result.stderr.split())
