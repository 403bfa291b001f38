"""`angiogram settings`: what is in force and where it comes from; the JSON schema of angiogram.yml."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.dbt.pipeline_settings import DeclaredSettings
from angiogram.operate.settings_in_force import HIDDEN

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "angiogram.schema.json"
FILE = """\
# what is not secret
live_target: prod
intended:
  live_sql:
    - {model: orders, reason: live rows only}
    - macro: raw
      reason: names the relation
"""


def settings_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, tuple[Any, str]]:
    """Value and origin of each setting by its name."""
    monkeypatch.setenv("DBT_PROJECT_DIR", str(folder))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["settings", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told.pop("project") == str(folder)
    return {each["name"]: (each["value"], each["origin"]) for group in told.values() for each in group}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text(
        "name: shop\nvars:\n  dye_targets: [dye]\n  shop:\n    max_seconds: {default: 9}\n", encoding="utf-8"
    )
    (tmp_path / "angiogram.yml").write_text(FILE, encoding="utf-8")
    return tmp_path


def test_each_setting_says_where_it_comes_from(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    found = settings_of(project, monkeypatch, PGHOST="db.example", PGPORT="")
    assert found["live_target"] == ("prod", "angiogram.yml:2")
    assert found["contract"] == (None, "not set")
    assert found["intended.live_sql[0]"] == ({"model": "orders", "reason": "live rows only"}, "angiogram.yml:5")
    assert found["intended.live_sql[1]"] == ({"macro": "raw", "reason": "names the relation"}, "angiogram.yml:6")
    assert found["dye_targets"] == (["dye"], "dbt_project.yml:3")
    assert found["max_seconds"] == ({"default": 9}, "dbt_project.yml:5")
    assert found["run_dependent_columns"] == ([], "not set")
    assert found["PGHOST"] == ("db.example", "environment")
    assert found["PGPORT"] == (5432, "default")
    assert found["DBT_PROFILES_DIR"] == (None, "not set")


def test_without_files_of_its_own_a_project_has_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n", encoding="utf-8")
    found = settings_of(tmp_path, monkeypatch)
    assert found["live_target"] == (None, "not set")
    assert found["dye_targets"] == (["angiogram"], "default")


def test_defaults_and_former_names_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_TOPIC", "DYE_KEY", "LOADER_PASSWORD", "FRONT_DOOR_URL", "FRONT_DOOR_API_KEY", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    found = settings_of(ROOT / "dbt_project", monkeypatch, RIDES_API_URL="http://me:secret@door.example:8000")
    assert found["PGDATABASE"] == ("taxi", "contract taxi.contract:CONTRACT")
    assert found["FRONT_DOOR_URL"] == ("http://door.example:8000", "environment, former name RIDES_API_URL")


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "do-not-print-me-anywhere"  # noqa: S105  # not one
    names = ("DYE_KEY", "FRONT_DOOR_API_KEY", "KAFKA_SASL_PASSWORD", "LOADER_PASSWORD", "ANGIOGRAM_ALERT_URLS")
    found = settings_of(
        ROOT / "dbt_project",
        monkeypatch,
        FRONT_DOOR_URL=f"http://me:{secret}@door.example",
        ANGIOGRAM_REPORT_URL=f"https://me:{secret}@pages.example/",
        **dict.fromkeys(names, secret),
    )
    assert secret not in repr(found)
    assert found["DYE_KEY"] == (HIDDEN, "environment")
    assert found["LOADER_PASSWORD (role taxi_loader, loader)"] == (HIDDEN, "environment")
    assert secret not in CliRunner().invoke(app, ["settings"]).output


def test_a_file_that_cannot_be_used_ends_with_its_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "angiogram.yml").write_text("live_target: prod\nlive_traget: prod\n", encoding="utf-8")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project))
    error = CliRunner().invoke(app, ["settings"]).exception
    assert "angiogram.yml:2 live_traget is not a setting" in str(error)


def test_the_schema_in_docs_is_the_one_that_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["settings", "--schema"]).stdout
    assert SCHEMA.read_text(encoding="utf-8") == printed, f"write it: angiogram settings --schema > {SCHEMA}"
    Draft202012Validator.check_schema(json.loads(printed))


@pytest.mark.parametrize(
    ("text", "is_sound"),
    [
        (FILE, True),
        ("contract: shop.contract:CONTRACT\n", True),
        ("{}", True),
        ("live_traget: prod\n", False),
        ("contract: shop.contract\n", False),
        ("live_target: ''\n", False),
        ("intended: {live_sql: [{model: a}]}\n", False),
        ("intended: {live_sql: [{model: a, macro: b, reason: c}]}\n", False),
    ],
)
def test_schema_and_reader_agree(tmp_path: Path, text: str, is_sound: bool) -> None:
    (tmp_path / "angiogram.yml").write_text(text, encoding="utf-8")
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert validator.is_valid(yaml.safe_load(text)) is is_sound
    if is_sound:
        DeclaredSettings.read(tmp_path)
    else:
        with pytest.raises(Exception, match=r"angiogram\.yml:1 "):
            DeclaredSettings.read(tmp_path)


def test_every_settings_file_here_fits_the_schema() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    files = [file for file in ROOT.glob("**/angiogram.yml") if not {".venv", "build", "templates"} & set(file.parts)]
    assert files
    for file in files:
        validator.validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
