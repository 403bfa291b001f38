"""`angiogram run --from-seeds --against` between PostgreSQL and DuckDB: the cells that they disagree on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from angiogram.cli.main import app
from angiogram.dbt.package.installing import install
from sandbox.services import Sandbox
from tests.angiogram.edits import edit
from tests.report_schema import validated
from tests.services import new_database

FILES = {
    "dbt_project.yml": """
        name: halves
        profile: halves
        vars: {dye_targets: [server, embedded]}
        seeds:
          halves:
            input: {+schema: input}
            expected: {+schema: expected}
    """,
    "profiles.yml": """
        halves:
          target: server
          outputs:
            server:
              type: postgres
              host: "{{ env_var('PGHOST') }}"
              port: "{{ env_var('PGPORT') | as_number }}"
              dbname: "{{ env_var('PGDATABASE') }}"
              user: angiogram
              password: "{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}"
              schema: server_halves
            embedded: {type: duckdb, path: "{{ env_var('EMBEDDED') }}", schema: embedded_halves}
    """,
    "packages.yml": "packages: [{local: dbt_packages/data_angiogram}]",
    "models/halves.sql": "select id, amount / 2 as half, name from {{ ref('amounts') }}",
    "models/halves.yml": """
        models:
          - name: halves
            data_tests:
              - data_angiogram.equals_expected:
                  arguments: {compare_model: ref('expected__halves'), key: id}
    """,
    "seeds/input/amounts.csv": "id,batch,amount,name\n1,1,4,one\n2,1,5,two\n3,2,7,\n",
    "seeds/expected/expected__halves.csv": "id,half,name\n1,2,one\n2,2,two\n3,3,\n",
}


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A new database of the module's own, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.fixture
def halves(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a dye target on each engine, which divides whole numbers."""
    folder = tmp_path / "halves"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        (folder / name).write_text("\n".join(line[indent:] for line in lines) + "\n")
    install(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBT_PROFILES_DIR", str(folder))
    monkeypatch.setenv("DBT_PROJECT_DIR", str(folder))
    monkeypatch.setenv("EMBEDDED", str(tmp_path / "embedded.duckdb"))
    return folder


def compared() -> Result:
    arguments = ["run", "--from-seeds", "--target", "server", "--against", "embedded", "--json"]
    return CliRunner().invoke(app, arguments)


def test_a_cell_that_the_engines_compute_differently_is_named_and_exits_with_1(halves: Path) -> None:
    """PostgreSQL divides whole numbers to whole numbers, DuckDB does not."""
    outcome = compared()
    assert outcome.exit_code == 1, outcome.output
    report = validated(json.loads(outcome.stdout))
    assert (report["verdict"], report["against"]["report"]["verdict"]) == ("healthy", "blocked")
    (found,) = report["against"]["differences"]
    assert found["stage"]["name"] == "halves"
    cells = {(one["row_key"]["id"], one["column"], one["expected"], one["actual"]) for one in found["first"]}
    assert {(2, "half", "2", "2.5"), (3, "half", "3", "3.5")} == cells


def test_engines_that_agree_exit_with_0(halves: Path) -> None:
    edit(halves / "models/halves.sql", "amount / 2", "cast(floor(amount / 2) as integer)")
    outcome = compared()
    assert outcome.exit_code == 0, outcome.output
    report = validated(json.loads(outcome.stdout))
    assert (report["verdict"], report["against"]["report"]["verdict"]) == ("healthy", "healthy")
    assert report["against"]["differences"] == []
