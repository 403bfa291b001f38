"""`angiogram init` on a stranger's project: what it shows and writes, and that live tables and people's edits stay."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.services import Sandbox
from tests import commands
from tests.angiogram.adoption.stranger import FILES, LINES, LIVE, ORDERS, call, write
from tests.angiogram.conftest import Outcome
from tests.angiogram.test_live_tables import contents
from tests.services import connect_as_administrator, new_database

_IDENTITY = ("-c", "user.name=shop", "-c", "user.email=shop@shop.example")


@pytest.fixture(scope="module", autouse=True)
def live(sandbox: Sandbox) -> Iterator[str]:
    """A database with the shop's live tables."""
    with new_database() as name:
        with closing(connect_as_administrator(name)) as administrator:
            administrator.cursor().execute(f"grant create on database {name} to angiogram")
            administrator.cursor().execute(f"set role angiogram; {LIVE} reset role")
        yield name


@pytest.fixture(scope="module")
def first(live: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The project as init leaves it, and what init said. Not to be changed."""
    folder = tmp_path_factory.mktemp("stranger")
    write(folder)
    git(folder, "init", "--quiet", ".")
    git(folder, "add", "--all")
    git(folder, *_IDENTITY, "commit", "--quiet", "--message", "the shop")
    before = tables(live)
    done = call(folder, "init", "--yes")
    assert {name: kept for name, kept in tables(live).items() if name in before} == before
    return folder, done


@pytest.fixture
def adopted(first: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of the project as init leaves it, which a test may change."""
    folder = tmp_path / "shop"
    subprocess.run(["cp", "-a", first[0], folder], check=True)
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def tables(name: str) -> dict[str, tuple[int, str]]:
    """Count and checksum of every table that is not the dye's."""
    with closing(connect_as_administrator(name)) as administrator:
        return {table: found for table, found in contents(administrator).items() if not table.startswith("angiogram")}


def test_each_model_that_builds_gets_an_expected_seed_and_a_test(first: tuple[Path, Outcome]) -> None:
    folder, done = first
    assert done.code == 0, done.stderr
    assert "4 of 7 models watched." in done.stdout
    read = (folder / "seeds/angiogram/expected/expected__orders.csv").read_text(encoding="utf-8")
    assert read == "order_id,placed_at,total,pieces\n"
    test = (folder / "tests/angiogram/equals_expected__orders.sql").read_text(encoding="utf-8")
    assert "test_equals_expected(ref('shop', 'orders'), ref('expected__orders'), ['order_id'])" in test
    whole_row = (folder / "tests/angiogram/equals_expected__stg_lines.sql").read_text(encoding="utf-8")
    assert "['line_no', 'order_id', 'qty']" in whole_row


def test_no_model_is_edited_and_what_people_wrote_stays(first: tuple[Path, Outcome]) -> None:
    folder, _ = first
    changed = set(git(folder, "diff", "--name-only").split())
    assert changed == {"dbt_project.yml", "profiles.yml", "macros/generate_schema_name.sql"}
    for file in changed:
        removed = [line for line in git(folder, "diff", file).splitlines() if re.match(r"-[^-]", line)]
        assert removed == [], file
    assert (folder / "profiles.yml").read_text(encoding="utf-8").count("schema: angiogram_shop") == 1


def test_input_seeds_have_the_columns_that_models_read_with_their_types(first: tuple[Path, Outcome]) -> None:
    folder, _ = first
    # An incremental model depends on both, so their rows arrive in batches.
    assert (folder / ORDERS).read_text(encoding="utf-8") == "id,placed_at,cents,tags,batch\n"
    assert (folder / LINES).read_text(encoding="utf-8") == "Line No,order id,qty,batch\n"
    seeds = (folder / "seeds/angiogram/seeds.yml").read_text(encoding="utf-8")
    assert "tags: text[]" in seeds
    assert "quote_columns: true" in seeds


def test_what_stays_outside_is_named(first: tuple[Path, Outcome]) -> None:
    said = first[1].stdout
    assert "left out: source till.gone: the database has no such table" in said
    assert 'not watched: model broken: Database Error: column "nothing" does not exist' in said
    assert "not watched: model stg_gone: " in said
    assert "not watched: model ages: it is ephemeral" in said
    assert "model ages reads the clock (current_date)" in said
    assert "source till.towns is read from the project's seed towns under the dye target" in said


def test_the_undo_that_it_prints_takes_everything_back(adopted: Path, first: tuple[Path, Outcome]) -> None:
    (undo,) = re.findall(r"^To undo it all: (.*)$", first[1].stdout, re.MULTILINE)
    subprocess.run(undo, shell=True, check=True, cwd=adopted, capture_output=True)  # noqa: S602  # what a person pastes
    assert git(adopted, "status", "--porcelain") == ""


def test_from_init_to_verdict_and_to_a_blockage(adopted: Path, live: str) -> None:
    """With rows in the input seeds: accept fills the expected seeds, a run is healthy, and a mistake blocks it."""
    before = tables(live)
    for name in ("broken.sql", "../staging/stg_gone.sql"):
        (adopted / "models/marts" / name).unlink()
    _add(adopted / ORDERS, "1,2026-01-01T00:00:00Z,150,{a},1\n2,2026-01-02T00:00:00Z,250,{},2\n")
    _add(adopted / LINES, "1,1,2,1\n2,1,3,1\n")
    first = call(adopted, "run", "--from-seeds", "--json")
    assert (first.code, "`angiogram accept --all` would write" in first.report()["error"]) == (2, True)
    assert call(adopted, "accept", "--all", "--yes").code == 0
    done = call(adopted, "run", "--from-seeds", "--json")
    report = done.report()
    assert (done.code, report["findings"]) == (0, [])
    assert report["models"] == {"watched": 4, "total": 4, "worked_out": 0, "recorded": 4}
    assert "incremental_untested" not in {notice["code"] for notice in report["notices"]}
    model = adopted / "models/staging/stg_orders.sql"
    model.write_text(model.read_text(encoding="utf-8").replace("/ 100.0", "/ 10.0"), encoding="utf-8")
    wrong = call(adopted, "run", "--from-seeds", "--json").report()
    assert [stage["name"] for stage in wrong["blockage"]] == ["stg_orders"]
    assert {name: kept for name, kept in tables(live).items() if name in before} == before


def test_dbt_alone_builds_the_live_target_as_before_and_tests_the_dye(adopted: Path, live: str) -> None:
    (adopted / "models/marts/broken.sql").unlink()
    (adopted / "models/staging/stg_gone.sql").unlink()
    (adopted / "models/marts/ages.sql").unlink()
    _add(adopted / ORDERS, "1,2026-01-01T00:00:00Z,150,{a},1\n")
    places = ("--project-dir", str(adopted), "--profiles-dir", str(adopted), "--target-path", str(adopted / "target"))
    done = commands.run("dbt.cli.main:cli", ["build", *places, "--target", "prod"])
    assert done.code == 0, done.stdout
    assert "expected__" not in done.stdout
    found = tables(live)
    assert found["marts.orders"][0] == 50
    done = commands.run("dbt.cli.main:cli", ["build", *places, "--target", "angiogram"])
    assert re.search(r"FAIL \d+ equals_expected__stg_orders ", done.stdout), "one row is expected nowhere yet"
    assert tables(live) == found


def test_a_second_run_adds_what_is_new_and_leaves_edits(adopted: Path) -> None:
    test = adopted / "tests/angiogram/equals_expected__orders.sql"
    test.write_text(test.read_text(encoding="utf-8") + "-- mine\n", encoding="utf-8")
    (adopted / "models/marts/totals.sql").write_text(
        "select count(*) as orders from {{ ref('orders') }}\n", encoding="utf-8"
    )
    before = {file: file.read_bytes() for file in adopted.rglob("*") if _is_of_the_project(file, adopted)}
    done = call(adopted, "init", "--yes")
    assert done.code == 0, done.stderr
    after = {file: file.read_bytes() for file in adopted.rglob("*") if _is_of_the_project(file, adopted)}
    changed = {str(file.relative_to(adopted)) for file in after if after[file] != before.get(file)}
    assert changed == {
        "seeds/angiogram/expected/expected__totals.csv",
        "seeds/angiogram/seeds.yml",
        "tests/angiogram/equals_expected__totals.sql",
    }
    again = call(adopted, "init", "--yes")
    assert (again.code, "Nothing to add" in again.stdout) == (0, True)


def _is_of_the_project(file: Path, folder: Path) -> bool:
    apart = {".git", "target", "target_angiogram", "dbt_packages", "logs", ".angiogram"}
    return file.is_file() and not apart & set(file.relative_to(folder).parts)


def _add(file: Path, rows: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + rows, encoding="utf-8")


def test_a_dry_run_writes_nothing(tmp_path: Path, live: str) -> None:
    write(tmp_path)
    before = tables(live)
    done = call(tmp_path, "init", "--dry-run")
    assert done.code == 0, done.stderr
    assert "dbt_project.yml  changed: dye target" in done.stdout
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == set(FILES)
    assert tables(live) == before


def test_a_no_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    done = call(tmp_path, "init")
    assert (done.code, "Write these files?" in done.stderr) == (1, True)
    assert not (tmp_path / "angiogram.yml").exists()


def test_a_source_macro_of_the_projects_own_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path)
    own = tmp_path / "macros/source.sql"
    own.write_text("{% macro source(a, b) %}{{ return(builtins.source(a, b)) }}{% endmacro %}", encoding="utf-8")
    done = call(tmp_path, "init", "--yes")
    assert (done.code, "has a macro `source` of its own" in done.stderr) == (2, True)
    assert not (tmp_path / "angiogram.yml").exists()


def test_the_dye_target_is_not_taken_for_what_people_read(tmp_path: Path) -> None:
    write(tmp_path)
    profiles = tmp_path / "profiles.yml"
    profiles.write_text(FILES["profiles.yml"].replace("prod", "angiogram"), encoding="utf-8")
    done = call(tmp_path, "init", "--yes")
    assert (done.code, "--live-target" in done.stderr) == (2, True)


def test_a_database_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    profiles = tmp_path / "profiles.yml"
    profiles.write_text(FILES["profiles.yml"].replace("{{ env_var('PGHOST') }}", "nobody.invalid"), encoding="utf-8")
    done = call(tmp_path, "init", "--yes")
    assert (done.code, done.stderr.count("Traceback")) == (2, 0)
    assert "nobody.invalid" in done.stderr
