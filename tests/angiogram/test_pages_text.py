"""Cells told apart, Markdown and JUnit XML, and the commands that write them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from psycopg2.extensions import connection

from angiogram.report.pages.cells import Cell, cell, pair, row
from angiogram.report.pages.junit import junit
from angiogram.report.pages.markdown import markdown
from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import changed, record, report, stage
from tests.angiogram.test_pages import HOSTILE, JEEP, blocked, run_of


def shown(found: Cell) -> str:
    """A cell as the page shows it: [differs], (mark), and its kind where it is told."""
    pieces = [f"({p.text})" if p.mark else p.text for p in found.pieces]
    marked = "".join(f"[{t}]" if p.differs else t for t, p in zip(pieces, found.pieces, strict=True))
    return f"{marked} {found.kind}" if found.tells_kind else marked


@pytest.mark.parametrize(
    ("expected", "actual", "left", "right"),
    [
        ("20.40", "20.20", "20.[4]0", "20.[2]0"),
        ("0.30", "0.3000000001", "0.30", "0.30[00000001]"),
        ('"5"', "5", "5 text", "5 number"),
        ('"Jeep"', '"Jeep "', "Jeep", "Jeep[(·)]"),
        ('"a b"', '"a\\u00a0b"', "a[ ]b", "a[(⍽)]b"),
        ('"a"', '"a\\u200b"', "a", "a[(\\u200b)]"),
        ('"a"', '"\\u0430"', "[a]", "[а]"),  # noqa: RUF001  # another alphabet's letter, which is the point
        ("null", '""', "[null] null", " empty text"),
        ("null", '"null"', "null null", "null text"),
        ("true", '"true"', "true boolean", "true text"),
        ("1", None, "[1] number", " nothing"),
        ("12345678901234567.89", "12345678901234567.9", "12345678901234567.[8]9", "12345678901234567.9"),
    ],
)
def test_cells_that_differ_look_different(expected: str | None, actual: str | None, left: str, right: str) -> None:
    assert [shown(side) for side in pair(expected, actual)] == [left, right]


def test_the_cells_of_a_row_keep_the_digits_they_came_with() -> None:
    assert [(name, shown(found)) for name, found in row('{"fare": 12.50, "tax": null, "model": "x\\n"}')] == [
        ("fare", "12.50"),
        ("tax", "null null"),
        ("model", "x(⏎)"),
    ]


def test_words_that_are_no_json_are_shown_as_they_are() -> None:
    assert shown(cell("character varying")) == "character varying"


def test_markdown_has_the_blockage_its_cells_and_all_stages() -> None:
    text = markdown(blocked(JEEP))
    assert text.startswith("## ❌ Angiogram: Blocked at fct&#95;rides\n")
    assert '| changed | ride&#95;id "jeep-1" | revenue&#95;amount | 20.40 | 20.20 | jeep-good, jeep-good-too |' in text
    assert "| loader&#58;rides | ✓ healthy | 3 | 3 | - | 0.50 |" in text


def test_markdown_stays_under_60_000_characters_and_says_what_is_left_out() -> None:
    """GitHub refuses a comment of more than 65,536; escaped, a cell is up to six times as long."""
    signs = "|*[]<&_" * 100
    rows = [
        changed({"k": f"{row}{signs}"}, "c", json.dumps(signs), json.dumps(signs + "x"), signs) for row in range(12)
    ]
    names = [f"model_{number}" for number in range(500)]
    found = report("run-1", names, dict.fromkeys(names[:5], rows))
    found["stages"] = [
        stage(name, [], "blocked", differences=12, reason=signs, details=f"{signs}\n" * 100) for name in names
    ]
    found["notices"] = [{"code": "long", "text": signs}] * 100
    where = {"kind": "model", "name": names[0]}
    found["findings"] = [{"kind": "output", "stage": where, "text": signs, "file": signs, "line": 1}] * 100
    text = markdown(run_of(found))
    assert 40_000 < len(text) < 60_000
    assert "### model&#95;0\n" in text
    assert re.search(r"^12 differences, the first 10 \(all: angiogram differences", text, re.MULTILINE)
    for what in ("blocked stages", "stages", "findings", "notices"):
        assert re.search(rf"^\d+ more {what} are left out: this text would be too long\.$", text, re.MULTILINE), what
    assert all(line.count("|") == 7 for line in text.splitlines() if line.startswith("| changed"))
    assert not re.search(r"&(?!#\d+;)", text), "nothing is cut in the midst of an escaped sign"
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<pre>") == text.count("</pre>")
    assert "<sub>run run-1" in text


def test_nothing_from_the_pipeline_counts_as_markdown() -> None:
    text = "a|b **c** `d` [e](https://f.example) @everyone #1\n# g\n- h <details>"
    run = blocked(changed({"k": text}, "c", json.dumps(text), json.dumps(HOSTILE), text))
    found = markdown(run)
    for line in found.splitlines():
        if "everyone" in line:
            assert line.count("|") in (0, 7)
            for sign in ("**", "`", "](", "://", "@", "<", "f.example"):
                assert sign not in line
    assert not [line for line in found.splitlines() if line.startswith(("# g", "- h"))]
    assert "<script" not in found


def test_junit_has_a_case_for_each_stage_and_checkpoint_and_fails_where_the_way_is_blocked() -> None:
    found = report("run-1", ["fct_rides"], {"fct_rides": [JEEP]})
    found["stages"] += [
        stage("daily_revenue", ["fct_rides"], "affected"),
        stage("late", ["fct_rides"], "not_reached"),
        stage("odd", ["fct_rides"], "not_compared", reason="no \x00 expected\ufffe seed"),
    ]
    (suite,) = ElementTree.fromstring(junit(run_of(found)))  # noqa: S314  # our own words
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
    }
    told = {f"{case.get('name')}": {part.tag: part for part in case} for case in suite}
    assert told["loader:rides"] == {}
    assert "revenue_amount: expected 20.40, actual 20.20" in f"{told['fct_rides']['failure'].text}"
    assert told["fct_rides"]["failure"].get("type") == "blocked"
    assert "skipped" in told["late"]
    assert "expected" in f"{told['odd']['error'].get('message')}"


def test_junit_of_a_run_without_a_verdict_is_an_error() -> None:
    run = run_of({"run_id": "run-1", "verdict": "could_not_run", "blockage": [], "error": "Kafka was away"})
    (suite,) = ElementTree.fromstring(junit(run))  # noqa: S314  # our own words
    assert suite.get("errors") == "1"
    assert suite[0][0].get("message") == "Kafka was away"


def test_the_commands_write_a_run_in_every_format_and_the_history(
    angiogram: Callable[..., Outcome], connect_as: Callable[..., connection], tmp_path: Path
) -> None:
    database = connect_as("angiogram")
    found = report("run-formats", ["fct_rides"], {"fct_rides": [JEEP]})
    record(database, found)
    written = angiogram("report", "run-formats", "--output", str(tmp_path / "run-formats.html"))
    assert (written.code, written.stdout) == (0, ""), written.stderr
    assert "Blocked at fct_rides" in (tmp_path / "run-formats.html").read_text(encoding="utf-8")
    assert "dye.html" not in (tmp_path / "run-formats.html").read_text(encoding="utf-8")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "dye.html").touch()
    angiogram("report", "--output", str(tmp_path / "run-formats.html"))
    assert "site/dye.html#!/model/model.taxi_angiogram.fct_rides" in (tmp_path / "run-formats.html").read_text(
        encoding="utf-8"
    )
    for command in (("report", "--format", "json"), ("show", "--json")):
        assert angiogram(*command).report()["differences"] == found["differences"]
    assert angiogram("report", "--format", "markdown").stdout.startswith("## ❌")
    assert angiogram("report", "--format", "junit").stdout.startswith("<?xml")
    angiogram("history", "--output", str(tmp_path / "index.html"))
    assert '<a href="run-formats.html">' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_could_not_run(
    angiogram: Callable[..., Outcome], connect_as: Callable[..., connection], tmp_path: Path
) -> None:
    record(connect_as("angiogram"), report("run-nowhere", []))
    outcome = angiogram("report", "run-nowhere", "--output", str(tmp_path / "absent" / "x.html"))
    assert outcome.code == 2
    assert "PageNotWritten" in outcome.stderr
    assert angiogram("report", "nobody").code == 2
