"""`angiogram coverage`: what is watched, what to watch next, and the ratchet for CI."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from angiogram.cli.main import app
from tests.angiogram.coffee_shop import copied

EXPOSURE = """
exposures:
  - name: regulars_letter
    type: application
    owner: {name: Ann}
    depends_on: [ref('guests')]
"""
SURFACE = "models:\n" + "".join(
    f"  {name}: {{watched: true}}\n"
    for name in ("base_guests", "base_lines", "base_tickets", "guests", "takings_by_month", "tickets")
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the coffee shop without the expected seeds of three models; no server is there."""
    folder = copied(tmp_path / "shop")
    for name in ("guests", "base_lines", "takings_by_month"):
        _stop_watching(folder, name)
    models = folder / "models" / "models.yml"
    models.write_text(models.read_text(encoding="utf-8") + EXPOSURE, encoding="utf-8")
    for name, value in {"PGHOST": "nobody.invalid", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD": "none"}.items():
        monkeypatch.setenv(name, value)
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(name, str(folder))
    return folder


def _stop_watching(folder: Path, name: str) -> None:
    (folder / "seeds" / "expected" / f"expected__{name}.csv").unlink()
    file = folder / "models" / "models.yml"
    test = rf" {{4}}data_tests:\n.*equals_expected:\n.*arguments:\n.*ref\('expected__{name}'\)\n.*\n.*\n"
    text, count = re.subn(test, "", file.read_text(encoding="utf-8"))
    assert count == 1
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def call(shop: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, ["coverage", *arguments], env={"COLUMNS": "200"})


def told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_what_to_watch_next_is_what_feeds_most(call: Callable[..., Result]) -> None:
    found = told(call("--json"))
    assert [found[name] for name in ("total", "watched", "not_yet_watched", "left_out")] == [6, 3, 3, 0]
    order = [(model["name"], model["watch"]) for model in found["models"]]
    assert order[:3] == [(name, "not yet watched") for name in ("base_lines", "guests", "takings_by_month")]
    assert {watch for _, watch in order[3:]} == {"watched"}
    lines = found["models"][0]
    assert (lines["exposures"], lines["readers"], lines["file"]) == (
        ["regulars_letter"],
        3,
        "models/base/base_lines.sql",
    )


def test_people_read_the_same(call: Callable[..., Result], shop: Path) -> None:
    (shop / "angiogram.yml").write_text("left_out: [{model: guests, reason: a plain copy}]\n", encoding="utf-8")
    result = call()
    assert result.exit_code == 0
    assert "left out: a plain copy" in result.stdout
    assert "exposure regulars_letter, 3 models" in result.stdout
    assert "3 of 6 models watched, 1 left out." in result.stdout
    assert "Next: base_lines. " in result.stdout


def test_strict_fails_for_new_models_that_nobody_decided_on(call: Callable[..., Result], shop: Path) -> None:
    shutil.rmtree(shop / ".angiogram")
    assert call("--strict").exit_code == 1, "no accepted surface: every model is new"
    accepted = shop / ".angiogram" / "surface.yml"
    accepted.parent.mkdir()
    accepted.write_text(SURFACE, encoding="utf-8")
    assert call("--strict").exit_code == 0, "what was there before may wait"
    (shop / "models" / "reports" / "days.sql").write_text("select 1 as day", encoding="utf-8")
    result = call("--strict")
    assert (result.exit_code, "not yet watched, new" in result.stdout) == (1, True)
    (shop / "angiogram.yml").write_text("left_out: [{model: days, reason: a constant}]\n", encoding="utf-8")
    assert call("--strict").exit_code == 0


@pytest.mark.parametrize(
    ("model", "words"),
    [("tickets", "leaves out tickets, which is watched"), ("nothing", "names nothing, which is no model")],
)
def test_an_entry_that_leaves_nothing_out_is_named(
    call: Callable[..., Result], shop: Path, model: str, words: str
) -> None:
    (shop / "angiogram.yml").write_text(f"left_out:\n  - {{model: {model}, reason: why}}\n", encoding="utf-8")
    result = call()
    assert (result.exit_code, words in result.stdout) == (0, True)
    assert "angiogram.yml:2 " in result.stdout


def test_a_broken_project_is_not_counted(shop: Path, call: Callable[..., Result]) -> None:
    (shop / "models" / "core" / "guests.sql").write_text("select {{ nothing( }}", encoding="utf-8")
    error = call().exception
    assert "models/core/guests.sql" in str(error)
