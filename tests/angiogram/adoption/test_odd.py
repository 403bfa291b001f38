"""`angiogram init` on what public projects have: nothing is edited by hand on the way to a verdict."""

import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from sandbox.services import Sandbox
from tests import commands
from tests.angiogram.adoption import odd
from tests.angiogram.adoption.stranger import call, write
from tests.services import connect_as_administrator, new_database


def test_every_model_of_an_odd_project_is_watched(sandbox: Sandbox, tmp_path: Path) -> None:
    """Versions, contracts, aliases, packages, snapshots, microbatches, names over 63 bytes, own types."""
    write(tmp_path, odd.FILES)
    with new_database() as name:
        with closing(connect_as_administrator(name)) as administrator:
            administrator.cursor().execute(f"grant create on database {name} to angiogram")
            administrator.cursor().execute(f"set role angiogram; {odd.LIVE} reset role")
        places = ("--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path))
        assert commands.run("dbt.cli.main:cli", ["deps", *places]).code == 0
        adopted = call(tmp_path, "init", "--yes")
        assert (adopted.code, "10 of 10 models watched." in adopted.stdout) == (0, True), (
            adopted.stdout + adopted.stderr
        )
        for seed, rows in odd.ROWS.items():
            (file,) = (tmp_path / "data/angiogram/input").glob(f"*__{seed}.csv")
            filled = rows.replace("{today}", datetime.now(UTC).date().isoformat())
            file.write_text(file.read_text(encoding="utf-8") + filled, encoding="utf-8")
        accepted = call(tmp_path, "accept", "--yes")
        assert accepted.code == 0, accepted.stderr
        report = call(tmp_path, "run", "--from-seeds", "--json").report()
        assert (report["verdict"], report["findings"]) == ("healthy", [])
        compared = [stage for stage in report["stages"] if stage["kind"] in ("model", "snapshot")]
        assert {stage["verdict"] for stage in compared} == {"healthy"}
        assert all(stage["rows_out"] for stage in compared)
        again = call(tmp_path, "init", "--yes")
        assert "Nothing to add" in again.stdout, again.stdout


DUCKDB = {
    "dbt_project.yml": "name: kiosk\nprofile: kiosk\nseed-paths: [seeds]\nmodels: {+materialized: table}\n",
    "profiles.yml": """
kiosk:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('KIOSK_FILE') }}", threads: 1}
""",
    "models/models.yml": """
sources:
  - {name: till, schema: main, tables: [{name: sales}]}
models:
  - {name: totals, columns: [{name: item, data_tests: [unique]}]}
""",
    "models/totals.sql": "select s.item, sum(s.pieces * p.price) as total from {{ source('till', 'sales') }} as s"
    " join {{ ref('prices') }} as p on s.item = p.item group by 1",
    "models/ages.sql": "select item, {{ dbt.current_timestamp() }} as seen_at, {{ dbt.current_timestamp() }}::date - 1"
    " as day_before from {{ ref('prices') }}",
    "seeds/prices.csv": "item,price\nnews,3\nmap,8\n",
}


def test_a_project_on_duckdb_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, file = tmp_path / "kiosk", tmp_path / "live.duckdb"
    write(folder, DUCKDB)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KIOSK_FILE", str(file))
    with duckdb.connect(str(file)) as live:
        live.execute("create table sales as select 'news' as item, 2 as pieces, 'x' as note")
    before = file.read_bytes()
    (tmp_path / ".git").mkdir()
    adopted = call(folder, "init", "--yes")
    assert (adopted.code, "2 of 2 models watched." in adopted.stdout) == (0, True), adopted.stdout + adopted.stderr
    assert "reads the clock" not in adopted.stdout
    rows = folder / "seeds/angiogram/input/dye__till__sales.csv"
    assert rows.read_text(encoding="utf-8") == "item,pieces\n"
    rows.write_text("item,pieces\nnews,2\nmap,1\nnews,1\n", encoding="utf-8")
    assert call(folder, "accept", "--yes").code == 0
    expected = (folder / "seeds/angiogram/expected/expected__totals.csv").read_text(encoding="utf-8")
    assert sorted(expected.splitlines()) == ["item,total", "map,8", "news,9"]
    report = call(folder, "run", "--from-seeds", "--json").report()
    assert (report["verdict"], report["findings"]) == ("healthy", [])
    assert file.read_bytes() == before, "the live file is as it was"
    _run_the_job(tmp_path)
    job = tmp_path / ".github/workflows/angiogram.yml"
    job.unlink()
    assert "Nothing to add" in call(folder, "init", "--yes").stdout
    assert not job.exists(), "nobody wants it"
    _set_clock(folder, "2024-02-29 12:00:00+00")
    assert call(folder, "accept", "--yes").code == 0
    expected = (folder / "seeds/angiogram/expected/expected__ages.csv").read_text(encoding="utf-8")
    assert "2024-02-28" in expected
    report = call(folder, "run", "--from-seeds", "--json").report()
    assert (report["verdict"], report["findings"]) == ("healthy", [])
    places = ("--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(tmp_path / "target"))
    done = commands.run("dbt.cli.main:cli", ["build", *places])
    assert done.code == 0, done.stdout
    with duckdb.connect(str(file)) as live:
        assert live.execute("select bool_and(seen_at > '2026-01-01') from ages").fetchall() == [(True,)]


def _run_the_job(root: Path) -> None:
    """Run the commands of the CI job that init wrote, but for the one that installs angiogram."""
    job = yaml.safe_load((root / ".github/workflows/angiogram.yml").read_text(encoding="utf-8"))["jobs"]["angiogram"]
    script = [step["run"] for step in job["steps"] if "run" in step]
    assert script.pop(0).startswith('pip install "data-angiogram[duckdb]==')
    programs = str(Path(sys.executable).parent)
    summary = root / "summary.md"
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(script)],
        cwd=root / job["defaults"]["run"]["working-directory"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
            **job["env"],
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "healthy" in summary.read_text(encoding="utf-8").lower()


def _set_clock(folder: Path, moment: str) -> None:
    project = folder / "dbt_project.yml"
    text, found = re.subn("(?<=dye_clock: ).*", moment, project.read_text(encoding="utf-8"))
    assert found == 1
    project.write_text(text, encoding="utf-8")
