"""The pages hold what the run found, hold against what runs hold, and work in a browser without any network."""

import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from angiogram.core.stage_id import from_json
from angiogram.report.pages.history import history
from angiogram.report.pages.lineage import lineage
from angiogram.report.pages.page import Docs, page
from angiogram.store.runs import Run
from tests.angiogram.recorded import STARTED, changed, report, stage
from tests.browser import CHROMIUM, QUIET, in_browser

HOSTILE = "\"'></td></svg><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def run_of(found: dict[str, Any], **more: Any) -> Run:
    """A run as angiogram.runs gives it."""
    values: dict[str, Any] = {
        "run_id": found["run_id"],
        "in_hand": False,
        "batch": 2,
        "lease_until": None,
        "owner": "here/1",
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(seconds=12),
        "verdict": found["verdict"],
        "blockage": found["blockage"] and from_json(found["blockage"]),
        "report": found,
    }
    return Run(**values | more)


def blocked(*cells: dict[str, Any]) -> Run:
    """A run blocked at fct_rides."""
    return run_of(report("run-1", ["fct_rides"], {"fct_rides": list(cells)}))


JEEP = changed({"ride_id": "jeep-1"}, "revenue_amount", "20.40", "20.20", "jeep-good", "jeep-good-too")


class Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep its words."""
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """All words, with single blanks."""
        return " ".join(" ".join(self.words).split())


def test_the_blockage_stands_first_with_one_cell_and_its_rides() -> None:
    text = Elements(page(blocked(JEEP), {}).split("<h2", 1)[0]).text
    assert "Blocked at fct_rides" in text
    assert "revenue_amount 20.20, expected 20.40; fed by jeep-good, jeep-good-too; ride_id jeep-1" in text


def test_a_changed_cell_is_marked_side_by_side_and_its_rides_say_why_they_are_there() -> None:
    text = page(blocked(JEEP), {"jeep-good": "an ordinary Jeep"})
    assert '<span class="cell">20.<mark>4</mark>0</span>' in text
    assert '<span class="cell">20.<mark>2</mark>0</span>' in text
    assert "an ordinary Jeep" in text


def test_the_page_has_checkpoints_steps_in_their_order_versions_and_links_to_the_docs() -> None:
    text = page(blocked(JEEP), {}, Docs("site/dye.html", "taxi_angiogram"))
    elements = Elements(text)
    assert {"href": "site/dye.html#!/model/model.taxi_angiogram.fct_rides"} in elements.named("a")
    assert "published = in Kafka" in elements.text
    assert elements.text.index("inject") < elements.text.index("build batch 1")
    assert "1.11.16" in elements.text


def test_thousands_of_differences_are_cut_with_the_full_count() -> None:
    cells = [changed({"ride_id": f"r{i:05}"}, "fare_amount", "1", "2") for i in range(5_000)]
    text = page(blocked(*cells), {})
    assert "The first 200 of 5,000 differences." in text
    assert "r00199" in text
    assert "r00200" not in text
    assert "All of them: <code>angiogram differences" in text


def test_a_run_that_is_kept_nowhere_names_no_command_that_would_look_for_it() -> None:
    run = blocked(*(changed({"ride_id": f"r{i:05}"}, "fare_amount", "1", "2") for i in range(5_000)))
    text = page(replace(run, report={**run.report, "kept": False}), {})
    assert "The first 200 of 5,000 differences." in text
    assert "angiogram differences" not in text


@pytest.mark.parametrize(
    "run",
    [
        run_of(report("run-1", [])),
        blocked(JEEP),
        run_of({"run_id": "run-1", "verdict": "could_not_run", "blockage": [], "error": HOSTILE}),
        run_of({"run_id": "run-1", "verdict": None, "blockage": None}, in_hand=True, finished_at=None),
    ],
    ids=["healthy", "blocked", "could_not_run", "in_hand"],
)
def test_a_page_loads_nothing_from_anywhere(run: Run) -> None:
    for text in (page(run, {}), history([run])):
        elements = Elements(text)
        assert not [tag for tag, attributes in elements.tags if "src" in attributes]
        assert not elements.named("link")
        assert not re.search(r"url\(|@import|https?://", text)
        assert f"{elements.named('meta')[1]['content']}".startswith("default-src 'none'; ")


def hostile_run() -> Run:
    """A run in which everything that comes from outside is hostile."""
    cells = [
        changed({HOSTILE: HOSTILE}, HOSTILE, '"' + HOSTILE.replace('"', '\\"') + '"', HOSTILE, HOSTILE),
        {**JEEP, "difference": "missing", "column": None, "expected": '{"' + "<b>x</b>" + '": "<i>y</i>"}'},
    ]
    found = report(HOSTILE, [HOSTILE], {HOSTILE: cells})
    found["stages"].append(stage(HOSTILE, ["fct_rides"], "blocked", reason=HOSTILE, differences=2))
    found["versions"] = {HOSTILE: HOSTILE, "code_commit": HOSTILE}
    found["checkpoints"][0] |= {"name": HOSTILE, "counts": {HOSTILE: None}, "holds": False}
    return run_of(found)


def test_hostile_text_stays_text() -> None:
    for text in (page(hostile_run(), {HOSTILE: HOSTILE}), history([hostile_run()])):
        elements = Elements(text)
        assert len(elements.named("script")) == 1
        assert not elements.named("img")
        assert "<i>y</i>" not in text
        assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]


def browse(text: str, folder: Path, fragment: str = "", *options: str) -> str:
    """What Chromium makes of a page."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            *(str(CHROMIUM), *QUIET, *options, f"--user-data-dir={folder / 'profile'}"),
            *("--dump-dom", file.as_uri() + fragment),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def open_boxes(dom: str) -> set[str | None]:
    """The stages whose boxes are open."""
    return {box["id"] for box in Elements(dom).named("details") if "open" in box and "id" in box}


@in_browser
def test_a_blocked_stage_is_open_at_first_and_a_link_opens_another(tmp_path: Path) -> None:
    text = page(blocked(JEEP), {})
    assert open_boxes(browse(text, tmp_path)) == {"stage=fct_rides"}
    assert open_boxes(browse(text, tmp_path, "#stage=loader:rides")) == {"stage=fct_rides", "stage=loader:rides"}
    assert open_boxes(browse(text, tmp_path, "#stage=nobody")) == {"stage=fct_rides"}


@in_browser
def test_hostile_text_runs_nothing_in_a_browser(tmp_path: Path) -> None:
    dom = browse(page(hostile_run(), {}), tmp_path)
    assert "<title>taken" not in dom
    assert 'id="theme" type="button">' in dom, "the page's own script did run"


@in_browser
@pytest.mark.parametrize(("scheme", "offered"), [(0, "☀ Light"), (1, "☾ Dark")], ids=["dark", "light"])
def test_the_page_follows_the_system_and_offers_the_other_colours(tmp_path: Path, scheme: int, offered: str) -> None:
    dom = browse(page(blocked(JEEP), {}), tmp_path, "", f"--blink-settings=preferredColorScheme={scheme}")
    assert f">{offered}</button>" in dom


def test_every_stage_can_be_reached_by_keyboard_from_the_picture() -> None:
    elements = Elements(page(blocked(JEEP), {}))
    boxes = {box["id"] for box in elements.named("details") if "id" in box}
    linked = {f"{link['href']}"[1:] for link in elements.named("a") if "aria-label" in link}
    assert linked == boxes == {"stage=api:rides", "stage=topic:rides", "stage=loader:rides", "stage=fct_rides"}


def test_the_picture_goes_from_left_to_right_without_overlap() -> None:
    reads = {"api": [], "topic": ["api"], "stg": ["topic"], "rates": [], "int": ["stg", "rates"], "days": []}
    picture = lineage(reads)
    boxes = picture.boxes
    for name, above in reads.items():
        assert all(boxes[parent].x + boxes[parent].width < boxes[name].x for parent in above)
    assert boxes["rates"].x == boxes["stg"].x, "a seed stands right before the stage that reads it"
    for name, box in boxes.items():
        assert box.x + box.width <= picture.width
        assert box.y + box.height <= picture.height
        assert not [o for n, o in boxes.items() if n != name and o.x == box.x and abs(o.y - box.y) < box.height]
    assert {(edge.source, edge.target) for edge in picture.edges} == {
        (a, s) for s, above in reads.items() for a in above
    }


def test_the_history_shows_each_run_the_last_healthy_one_and_links_the_pages_that_are_there() -> None:
    newest = run_of(report("run-2", ["fct_rides"], {"fct_rides": [JEEP]}), started_at=STARTED + timedelta(days=1))
    failed = run_of({"run_id": "run-1", "verdict": "could_not_run", "blockage": [], "error": "Kafka was away"})
    elements = Elements(history([newest, failed, run_of(report("run-0", []))], {"run-2": "run-2.html"}))
    assert "Blocked at fct_rides" in elements.text
    assert "Last found healthy 2026-06-01 07:00" in elements.text
    assert "Kafka was away" in elements.text
    assert [link["href"] for link in elements.named("a") if f"{link['href']}".endswith(".html")] == ["run-2.html"]
    assert len([box for box in elements.named("rect") if box["class"] == "pillar"]) == 3


def test_a_history_without_runs_says_how_to_start_one() -> None:
    assert "angiogram run" in Elements(history([])).text
