"""The page on a run can be read on a phone, on a screen and on paper, by everybody, also with many stages."""

import re
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from angiogram.report.pages.history import history
from angiogram.report.pages.page import page
from angiogram.report.pages.view import VERDICT_WORDS
from angiogram.report.report import runs_table
from angiogram.store.runs import Run
from tests.angiogram.recorded import STARTED, changed, report, stage
from tests.angiogram.test_pages import run_of
from tests.browser import Browser, browser, in_browser

BEYOND = """[...document.querySelectorAll("body *")].filter(element => !element.closest(".scroll svg")
    && element.getBoundingClientRect().right > innerWidth + 1 && element.getBoundingClientRect().width > 0).length"""
NARROWEST = """Math.min(...[...document.querySelectorAll("table.rows .cell")].filter(cell => cell.innerText.length > 3)
    .map(cell => cell.getBoundingClientRect().width / Math.min(cell.innerText.length, 12)))"""


def of_many_stages(blocked: bool) -> Run:
    """A run with 47 stages, of which one is blocked, with long keys and values."""
    cells = [
        changed({"message_id": "f" * 36, "ride_id": f"{number:032x}"}, column, "12345678901234567.8901", "-1", "a" * 40)
        for number in range(36)
        for column in ("revenue_amount", "revenue_usd_amount")
    ]
    found = report("run-1", ["fct_rides"] if blocked else [], {"fct_rides": cells} if blocked else {})
    found["stages"] += [stage(f"model_{number:02}", ["fct_rides"]) for number in range(43)]
    found["checkpoints"].append(
        {
            "name": "published = loaded + dead letters",
            "expected": 94,
            "counts": {"loaded": 80, "dead_letters": 14},
            "holds": True,
        }
    )
    return run_of(found)


@pytest.fixture(params=[True, False], ids=["blocked", "healthy"])
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Browser]:
    file = tmp_path / "page.html"
    file.write_text(page(of_many_stages(request.param), {}))
    with browser() as opened:
        opened.open(file.as_uri())
        opened.await_text(".find:not([hidden])")  # the script at the page's end has run
        yield opened


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_beyond_the_edge_of_a_screen(shown: Browser, width: int) -> None:
    """Nor is a cell so narrow that its words stand one character on a line."""
    shown.resize(width)
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    assert shown.evaluate(BEYOND) == 0
    if shown.evaluate("document.querySelectorAll('table.rows .cell').length"):
        assert shown.evaluate(NARROWEST) > 4, "pixels for each of the first characters"


@in_browser
def test_nothing_is_cropped_on_paper(shown: Browser) -> None:
    shown.emulate_print()
    assert shown.evaluate(BEYOND) == 0
    assert shown.evaluate("document.querySelector('svg.lineage').getBoundingClientRect().right") <= 703
    assert shown.evaluate("getComputedStyle(document.querySelector('.find')).display") == "none"
    assert shown.pdf().startswith(b"%PDF")


@in_browser
def test_stages_are_found_by_name_and_by_verdict(shown: Browser) -> None:
    def seen() -> list[str]:
        names: list[str] = shown.evaluate(
            "[...document.querySelectorAll('details.stage')].filter(s => s.offsetParent).map(s => s.dataset.name)"
        )
        return names

    assert len(seen()) == 47
    shown.evaluate("find.value = 'MODEL_1'; find.dispatchEvent(new Event('input'))")
    assert seen() == [f"model_1{number}" for number in range(10)]
    assert shown.await_text("#shown") == "10 of 47 stages"
    assert shown.evaluate("document.querySelectorAll('svg.lineage a:not([data-out])').length") == 10
    shown.evaluate("find.value = ''; find.dispatchEvent(new Event('input'))")
    verdict = shown.evaluate("document.querySelector('#verdict option:last-child').value")
    shown.evaluate(f"verdict.value = '{verdict}'; verdict.dispatchEvent(new Event('change'))")
    with_it = shown.evaluate(f"document.querySelectorAll('details.stage.{verdict}').length")
    assert len(seen()) == with_it
    shown.evaluate("location.hash = '#stage=model_07'")
    shown.await_text("details[id='stage=model_07'][open]")
    assert "model_07" in seen(), "a link opens a stage that the filter had hidden"


def test_dead_letters_are_no_loss() -> None:
    """The loader passes 94 messages on, and the models are given 80: the page says what the others are."""
    text = page(of_many_stages(False), {})
    assert "80 for the models, 14 dead letters" in text
    assert "The loader keeps 14 malformed messages as dead letters, which no model reads." in text


def test_a_run_takes_as_long_wherever_it_is_shown() -> None:
    run = run_of(report("run-1", []), finished_at=STARTED + timedelta(seconds=539))
    assert run.seconds == 12.3
    assert "<dd>12.3 s</dd>" in page(run, {})
    assert "12.3" in history([run])
    assert "539" not in history([run])
    (took,) = runs_table([run]).columns[-1].cells
    assert took == "12.3"
    assert run_of({**report("run-2", []), "seconds": None}).seconds == 12.0


def _schemes() -> dict[str, dict[str, str]]:
    css = (files("angiogram.report.pages") / "templates" / "page.css").read_text()
    blocks = re.findall(r"\{\s*color-scheme: light dark;(.*?)\}|color-scheme: dark;(.*?)\}", css, re.DOTALL)
    light = dict(re.findall(r"--(\w[\w-]*): (#\w+)", blocks[0][0]))
    dark = dict(re.findall(r"--(\w[\w-]*): (#\w+)", blocks[-1][1]))
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def _contrast(one: str, other: str) -> float:
    """As the guidelines of the W3C have it."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme: str) -> None:
    colours = _schemes()[scheme]
    verdicts = [name.removesuffix("-back") for name in colours if name.endswith("-back")]
    backs = ["card", "page", "code", *(f"{verdict}-back" for verdict in verdicts)]
    pairs = [(text, back) for text in ("text", "soft", "link") for back in backs]
    pairs += [(verdict, back) for verdict in verdicts for back in (f"{verdict}-back", "card")]
    pairs += [("affected", f"{verdict}-back") for verdict in verdicts]  # notices
    pairs += [("text", back) for back in ("gone", "come")] + [("not_compared", "code")]
    faint = {pair: round(found, 2) for pair in pairs if (found := _contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert not faint
    assert {*VERDICT_WORDS} - {"tolerated", "not_built"} <= set(verdicts)
