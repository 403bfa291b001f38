"""An ephemeral model that has an expected seed is compared through its SQL, as every other model is."""

import re
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from angiogram.author.accept import propose, write
from angiogram.dbt.project import Project
from tests.angiogram.edits import edit, prepend
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, stages_of

EPHEMERAL = "{{ config(materialized='ephemeral') }}\n"
READER = "select * from {{ ref('guests') }} -- to the end"


@pytest.fixture
def shop(coffee_shop: Path) -> Path:
    """A project in which one ephemeral model reads another one, and models with tables read both."""
    (coffee_shop / ".angiogram" / "surface.yml").unlink()  # that readers lose relations is a finding of its own
    for file in ("base/base_tickets.sql", "base/base_guests.sql", "core/guests.sql"):
        prepend(coffee_shop / "models" / file, EPHEMERAL)
    return coffee_shop


def test_right_ephemeral_models_are_healthy_and_watched(shop: Path, judge: Judge) -> None:
    report = judge(shop)
    assert (report["verdict"], blocked(report)) == ("healthy", [])
    assert report["models"]["watched"] == 6


@pytest.mark.parametrize(
    ("file", "right", "wrong", "name"),
    [
        pytest.param("core/guests.sql", ">= 3", "> 3", "guests", id="a leaf"),
        pytest.param("base/base_guests.sql", "trim(full_name)", "full_name", "base_guests", id="read by another one"),
        pytest.param("base/base_tickets.sql", "lower(state)", "state", "base_tickets", id="read in both batches"),
    ],
)
def test_a_wrong_ephemeral_model_is_named_and_its_readers_are_not(
    shop: Path, judge: Judge, file: str, right: str, wrong: str, name: str
) -> None:
    edit(shop / "models" / file, right, wrong)
    report = judge(shop)
    assert (report["verdict"], blocked(report)) == ("blocked", [name])


BROKEN = pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("no_such_column", id="unknown column"),
        pytest.param("visits.first_visit visits.first_visit", id="syntax"),
        pytest.param("{{ no_such_macro() }}", id="unknown macro"),
    ],
)


@BROKEN
def test_an_ephemeral_leaf_whose_sql_cannot_run_is_named_with_its_file(shop: Path, judge: Judge, wrong: str) -> None:
    edit(shop / "models" / "core" / "guests.sql", "visits.first_visit,", f"{wrong},")
    report = judge(shop)
    assert (report["verdict"], blocked(report)) == ("blocked", ["guests"])
    [found] = report["findings"]
    assert (found["kind"], found["file"]) == ("build", "models/core/guests.sql")


@pytest.mark.parametrize("wrong", ["no_such_column", "{{ no_such_macro() }}"])
def test_so_is_one_that_others_read_and_they_are_not(shop: Path, judge: Judge, wrong: str) -> None:
    edit(shop / "models" / "base" / "base_tickets.sql", "lower(state)", wrong)
    report = judge(shop)
    assert (report["verdict"], blocked(report)) == ("blocked", ["base_tickets"])
    [found] = report["findings"]
    assert (found["kind"], found["file"]) == ("build", "models/base/base_tickets.sql")
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert health["base_guests"] == "healthy"
    assert {health[name] for name in ("tickets", "guests")} <= {"affected", "not_built"}


@BROKEN
def test_so_is_one_that_nothing_compares(shop: Path, judge: Judge, wrong: str) -> None:
    """Whether another ephemeral model reads it or a table: those that read it are not blamed."""
    core = shop / "models" / "core"
    broken = (core / "guests.sql").read_text().replace("visits.first_visit,", f"{wrong},")
    for name, reader, config in (("regulars", "names", EPHEMERAL), ("visitors", "list", "")):
        (core / f"{name}.sql").write_text(broken)
        (core / f"{reader}.sql").write_text(config + READER.replace("guests", name))
    report = judge(shop)
    assert (report["verdict"], sorted(blocked(report))) == ("blocked", ["regulars", "visitors"])
    assert {(found["kind"], found["file"]) for found in report["findings"]} == {
        ("build", "models/core/regulars.sql"),
        ("build", "models/core/visitors.sql"),
    }
    stages = stages_of(report)
    assert stages["guests"]["verdict"] == "healthy"
    assert stages["list"]["verdict"] in ("affected", "not_built")


def test_one_that_nothing_compares_and_that_is_right_is_no_finding(shop: Path, judge: Judge) -> None:
    """Also if its columns have no names of their own, or if PostgreSQL cuts its name to that of another."""
    core, name = shop / "models" / "core", "an_ephemeral_model_whose_name_is_longer_than_postgresql_would_keep_"
    (core / "twice.sql").write_text(EPHEMERAL + READER.replace("*", "guest_id, guest_id, 1, 2"))
    told = (shop / "models" / "models.yml").read_text()
    [test] = re.findall(r"  - name: guests\n(?:    .*\n)+", told)
    for number in "12":
        (core / f"{name}{number}.sql").write_text(EPHEMERAL + READER)
        told += test.replace("name: guests", f"name: {name}{number}")
    (shop / "models" / "models.yml").write_text(told)
    report = judge(shop)
    assert (report["verdict"], report["findings"], report["models"]) == ("healthy", [], {"watched": 6, "total": 8})
    assert "twice" not in stages_of(report)


def test_what_a_model_was_in_the_run_before_is_nothing_to_it(shop: Path, judge: Judge, database: str) -> None:
    guests = shop / "models" / "core" / "guests.sql"
    table, wrong = guests.read_text().replace(EPHEMERAL, ""), guests.read_text().replace(">= 3", "> 3")
    for text, blockage in ((wrong, ["guests"]), (table, []), (wrong, ["guests"])):
        guests.write_text(text)
        assert blocked(judge(shop)) == blockage
    with closing(psycopg2.connect(dbname=database)) as connection, connection.cursor() as query:
        query.execute("select relname from pg_class where relname like '%guests%' and relkind in ('r', 'v')")
        left = {name for (name,) in query.fetchall()}
    assert left == {"raw_guests", "expected__guests", "expected__base_guests"}


def test_it_is_accepted_and_what_no_longer_compares_it_is_named(shop: Path, judge: Judge) -> None:
    edit(shop / "models" / "core" / "guests.sql", ">= 3", "> 3")
    project = Project(shop, dye_source="seeds")
    proposals = propose(project, ["guests"], lambda told: None)
    assert [(one.model, one.differences["count"]) for one in proposals.models] == [("guests", 1)]
    assert {file.name for file in write(project, proposals)} == {"expected__guests.csv", "surface.yml"}
    report = judge(shop)
    assert (report["verdict"], report["findings"]) == ("healthy", [])

    (shop / "seeds" / "expected" / "expected__guests.csv").unlink()
    told = (shop / "models" / "models.yml").read_text()
    [test] = re.findall(r"  - name: guests\n(?:    .*\n)+", told)
    (shop / "models" / "models.yml").write_text(told.replace(test, ""))
    [found] = judge(shop)["findings"]
    assert found["kind"] == "watch"
    assert found["text"].startswith("guests is no longer compared: its expected seed is gone or disabled.")
