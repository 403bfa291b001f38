"""Expected seeds that `angiogram accept` fills from the models' own output, and what every verdict says of them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from angiogram.author.accept import propose, write
from angiogram.author.coverage import Watch, coverage
from angiogram.cli.main import app
from angiogram.core.errors import InvalidRecord, SeedNotWritten
from angiogram.core.stage_id import from_json
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.recorded import CONFIRMED_FILE, RECORDED_FILE, Recorded, RecordedSeed, seed_marks
from angiogram.report.pages.junit import junit
from angiogram.report.pages.markdown import markdown
from angiogram.report.pages.run_page import run_page
from angiogram.report.report import render
from angiogram.store.runs import Run
from tests.angiogram.duckdb.conftest import Judge
from tests.angiogram.edits import edit
from tests.angiogram.recorded import blocked

NAMES = ("customers", "customers_over_time", "moves", "orders", "priced_orders", "sales_by_day", "stg_orders")
WORDS = "7 expected seeds are recorded from the models' own output and not yet reviewed"


def seed(folder: Path, name: str) -> Path:
    return folder / "seeds" / "expected" / f"expected__{name}.csv"


@pytest.fixture
def fresh(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as `angiogram init` leaves one: expected seeds have a header, and wait for their rows."""
    for name in NAMES:
        header, *_ = seed(bakery, name).read_text(encoding="utf-8").splitlines()
        seed(bakery, name).write_text(f"{header}\n", encoding="utf-8")
    waits(bakery, *NAMES)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    return bakery


def waits(folder: Path, *names: str) -> None:
    file = folder / RECORDED_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(Recorded({f"expected__{name}": RecordedSeed() for name in names}).text(), encoding="utf-8")


@pytest.fixture
def accept(bakery: Path) -> Callable[..., Result]:
    """Function that runs `angiogram accept` in this process."""
    return lambda *arguments: CliRunner().invoke(app, ["accept", *arguments], catch_exceptions=False)


def in_every_format(report: dict[str, Any]) -> list[str]:
    """A verdict as people and programs read it: terminal, page, Markdown, JUnit and JSON."""
    at = datetime(2026, 6, 1, tzinfo=UTC)
    blockage = from_json(report["blockage"])
    run = Run(report["run_id"], False, 2, None, None, at, at, report["verdict"], blockage, report)
    terminal = Console(file=StringIO(), width=300)
    terminal.print(render(report))
    assert isinstance(terminal.file, StringIO)
    return [
        terminal.file.getvalue(),
        run_page(run, None),
        markdown(run),
        junit(run),
        json.dumps(report, ensure_ascii=False),
    ]


def test_the_first_run_says_what_accept_would_write_and_accept_writes_it(
    fresh: Path, judge: Judge, accept: Callable[..., Result]
) -> None:
    first = judge(fresh)
    assert first["verdict"] == "could_not_run"
    assert first["error"].startswith(
        "7 expected seeds have no rows yet. `angiogram accept --all` would write 24 rows ("
    )
    assert {one["verdict"] for one in first["stages"] if one["kind"] == "model"} == {"not_watched"}
    assert coverage(Project(fresh, dye_source="seeds")).count(Watch.NOT_YET) == 6

    done = accept("--all", "--yes")

    assert done.exit_code == 0, done.output
    assert "orders: first 3 rows" in done.stdout
    assert "Recorded from the models' own output: 7 expected seeds" in done.stderr
    recorded = Recorded.read(fresh)
    assert {name.removeprefix("expected__") for name in recorded.seeds} == set(NAMES)
    assert not recorded.waiting
    report = judge(fresh)
    assert (report["verdict"], report["findings"]) == ("healthy", [])
    assert report["models"] == {"watched": 6, "total": 6, "worked_out": 0, "recorded": 6}
    for told in in_every_format(report):
        assert WORDS in told.replace("&#39;", "'").replace("&#x27;", "'")
    assert "0 worked out, 6 recorded" in in_every_format(report)[0]
    assert "Nothing to accept" in accept("--all").stderr


def test_a_row_that_a_person_changes_or_confirms_is_no_longer_recorded(
    fresh: Path, judge: Judge, accept: Callable[..., Result]
) -> None:
    assert accept("--all", "--yes").exit_code == 0
    one, two, three = seed_marks(seed(fresh, "orders").read_text(encoding="utf-8"))
    for number, mark in enumerate((one, two, three)):
        line = json.dumps({"seed": "expected__orders", "row": mark, "by": "ann", "at": "2026-06-01"}) + "\n"
        with (fresh / CONFIRMED_FILE).open("a", encoding="utf-8") as file:
            file.write(line)
        counts = judge(fresh)["models"] if number == 2 else {}
    assert (counts["worked_out"], counts["recorded"]) == (1, 5)

    header, *rows = seed(fresh, "moves").read_text(encoding="utf-8").splitlines(keepends=True)
    seed(fresh, "moves").write_text("".join([header, *(f"7{row}" for row in rows)]), encoding="utf-8")
    report = judge(fresh)
    assert blocked(report) == ["moves"]
    assert (report["models"]["worked_out"], report["models"]["recorded"]) == (2, 4)
    for told in in_every_format(report):
        assert "5 expected seeds are recorded" in told


def test_one_that_waits_is_not_watched_and_the_others_give_a_verdict(bakery: Path, judge: Judge) -> None:
    seed(bakery, "moves").write_text("id,move_count,town\n", encoding="utf-8")
    assert blocked(judge(bakery)) == ["moves"], "a seed that does not wait says that the model is empty"
    waits(bakery, "moves")
    report = judge(bakery)
    assert (report["verdict"], report["models"]) == ("healthy", {"watched": 5, "total": 6})
    (notice,) = (one["text"] for one in report["notices"] if one["code"] == "waiting")
    assert notice == "1 expected seed has no rows yet. `angiogram accept --all` would write 3 rows (moves 3)."


def test_what_cannot_be_recorded_is_named_and_the_rest_is_written(
    fresh: Path, judge: Judge, accept: Callable[..., Result]
) -> None:
    edit(fresh / "models/customers/customers.sql", "select", "select '' as nick,")
    (fresh / "models" / "customers" / "wrong.sql").write_text("select no_such from {{ ref('customers') }}")
    before = seed(fresh, "customers").read_bytes()
    done = accept("--all", "--yes")
    assert done.exit_code == 0, done.output
    assert "customers: not recorded: nick of " in done.stdout
    assert seed(fresh, "customers").read_bytes() == before
    assert Recorded.read(fresh).waiting == {"expected__customers", "expected__customers_over_time"}
    report = judge(fresh)
    assert blocked(report) == ["wrong"]
    watched = {stage["name"]: stage["verdict"] for stage in report["stages"] if stage["kind"] == "model"}
    assert {name for name, verdict in watched.items() if verdict == "not_watched"} == {"customers"}


def test_a_list_that_was_edited_meanwhile_is_not_written_over(fresh: Path) -> None:
    seed(fresh, "moves").write_bytes(b"\xef\xbb\xbfid,move_count,town\r\n")
    project = Project(fresh, dye_source="seeds")
    proposals = propose(project, [], lambda told: None, wait=0)
    listed = (fresh / RECORDED_FILE).read_bytes()
    (fresh / RECORDED_FILE).write_bytes(listed + b"\n")
    with pytest.raises(SeedNotWritten):
        write(project, proposals)
    assert seed(fresh, "moves").read_bytes() == b"\xef\xbb\xbfid,move_count,town\r\n"
    (fresh / RECORDED_FILE).write_bytes(listed)
    write(project, proposals)
    assert seed(fresh, "moves").read_bytes().startswith(b"\xef\xbb\xbfid,move_count,town\r\n1,")
    assert Recorded.read(fresh).left("expected__moves", seed_marks(proposals_text(fresh))) != []


def proposals_text(folder: Path) -> str:
    return seed(folder, "moves").read_bytes().decode("utf-8-sig")


def test_a_line_that_cannot_be_read_is_named(bakery: Path) -> None:
    (bakery / RECORDED_FILE).parent.mkdir(exist_ok=True)
    (bakery / RECORDED_FILE).write_text('\n{"seed": "expected__orders"}\n', encoding="utf-8")
    with pytest.raises(InvalidRecord, match=r"recorded\.jsonl:2 cannot be read: it must be an object with seed"):
        Recorded.read(bakery)
