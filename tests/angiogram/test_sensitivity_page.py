"""The page on sensitivity shades models, shows survivors, holds against what SQL holds, and works in a browser."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from angiogram.judge.cause.seed_files import SeedRows
from angiogram.sensitivity.bench.bench import MutantOutcome
from angiogram.sensitivity.bench.score import BLIND_SPOT, EQUIVALENT, SEEN, Score, Spoiled, Tally, Verdict
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.page import badge, difference, sensitivity_page, shade
from tests.angiogram.test_pages import HOSTILE, Elements
from tests.browser import CHROMIUM, QUIET, in_browser

READS = {"loader": [], "rides": ["loader"], "bare": ["rides"], "revenue": ["bare"]}
RIDE = Spoiled("fare '0'")


def score(before: str = "fare >= 0", after: str = "fare > 0", spoiled: Spoiled = RIDE) -> Score:
    """Of two models and the loader: one blind spot, one equivalent, the others seen."""

    def found(name: str, node: str, state: str, reason: str | None = None) -> Verdict:
        how = "differs" if state == SEEN else "survived"
        return Verdict(
            Mutant(name, node, "comparison", "checked", before, after), state, MutantOutcome(None, how), reason
        )

    verdicts = [
        found("loader-1", "loader", SEEN),
        *(found(f"rides-{number}", "rides", SEEN) for number in range(9)),
        found("rides-blind", "rides", BLIND_SPOT),
        found("revenue-1", "revenue", SEEN),
        found("revenue-same", "revenue", EQUIVALENT, "No fare is null."),
    ]
    return Score(verdicts, 2.0, {"rides-blind": spoiled})


def test_models_are_shaded_by_score_and_lead_to_their_survivors() -> None:
    elements = Elements(sensitivity_page(score(), READS, "taxi"))
    boxes = {a["href"]: a for a in elements.named("a") if a.get("class") == "shaded"}
    assert {href: a["style"] for href, a in boxes.items()} == {
        "#model=loader": "--seen: 100%",
        "#model=rides": "--seen: 0%",
        "#model=revenue": "--seen: 100%",
    }
    assert boxes["#model=rides"]["aria-label"] == "rides: 90.0 %, 9 of 10 seen"
    sections = {d["id"]: "open" in d for d in elements.named("details") if d.get("id")}
    assert sections == {"model=loader": False, "model=rides": True, "model=revenue": False}


def test_a_model_without_mutants_has_no_box_but_the_line_goes_on() -> None:
    elements = Elements(sensitivity_page(score(), READS, "taxi"))
    assert "bare" not in elements.text
    assert len(elements.named("path")) == 2


def test_a_survivor_is_shown_with_its_sql_and_what_it_spoils_and_an_equivalent_with_its_reason() -> None:
    text = Elements(sensitivity_page(score(), READS, "taxi")).text
    assert "91.6 % of the possible mistakes are seen" in text
    assert "rides-blind ✗ blind spot comparison checked fare > = 0 Spoils, unseen: fare '0'" in text
    assert "No fare is null. 1 revenue-same" in text


def test_nothing_that_sql_holds_is_markup() -> None:
    rows = SeedRows(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)
    spoiled = Spoiled(HOSTILE, (rows,), True, (HOSTILE,))
    page = sensitivity_page(score(HOSTILE, f"{HOSTILE}~", spoiled), READS, HOSTILE)
    elements = Elements(page)
    assert len(elements.named("script")) == 1
    assert elements.named("img") == []


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("a >= 0", "a > 0", [("same", "a >"), ("gone", "="), ("same", " 0")]),
        ("a", "b", [("gone", "a"), ("come", "b")]),
        ("self.x += 1", "(dropped)", None),
    ],
)
def test_a_difference_is_shown_word_by_word(before: str, after: str, pieces: list[tuple[str, str]] | None) -> None:
    found = [(piece.kind, piece.text) for piece in difference(before, after)]
    assert "".join(text for kind, text in found if kind != "come") == before
    assert "".join(text for kind, text in found if kind != "gone") == after
    assert pieces is None or found == pieces


def test_what_is_far_from_a_change_is_cut() -> None:
    found = difference(f"{'x ' * 500}a{' y' * 500}", f"{'x ' * 500}b{' y' * 500}")
    assert [piece.kind for piece in found] == ["same", "gone", "come", "same"]
    assert sum(len(piece.text) for piece in found) < 300
    assert found[0].text.endswith("x ")


@pytest.mark.parametrize(("seen", "expected"), [(100, 100), (95, 50), (90, 0), (10, 0)])
def test_the_shade_tells_scores_near_one_apart(seen: int, expected: int) -> None:
    assert shade(Tally(mutants=100, seen=seen)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("seen", "words", "colour"), [(1000, "100.0 %", "#1a7f45"), (999, "99.9 %", "#1a7f45"), (500, "50.0 %", "#c0242c")]
)
def test_the_badge_is_a_picture_with_the_score(seen: int, words: str, colour: str) -> None:
    picture = ElementTree.fromstring(badge(Tally(mutants=1000, seen=seen)))  # noqa: S314
    texts = ["".join(element.itertext()) for element in picture.iter() if element.tag.endswith("}text")]
    assert texts == ["sensitivity", words]
    assert colour in {element.get("fill") for element in picture.iter()}
    assert picture.get("aria-label") == f"sensitivity: {words}"


@in_browser
def test_a_link_to_a_model_opens_its_box(tmp_path: Path) -> None:
    """The script runs under the page's own policy, and nothing is loaded from anywhere."""
    file = tmp_path / "sensitivity.html"
    file.write_text(sensitivity_page(score(), READS, "taxi"), encoding="utf-8")
    browser = subprocess.run(
        [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path}", "--dump-dom", f"{file.as_uri()}#model=revenue"],
        check=True,
        capture_output=True,
        text=True,
    )
    sections = {d["id"]: "open" in d for d in Elements(browser.stdout).named("details") if d.get("id")}
    assert sections == {"model=loader": False, "model=rides": True, "model=revenue": True}
