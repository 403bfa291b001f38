"""The documents keep what they promise, and the dbt docs are one static file each that a browser shows alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.services import Sandbox
from tests.browser import CHROMIUM, QUIET, in_browser

PROJECT = Path(__file__).parents[1]

DOCUMENTS = sorted(
    path.relative_to(PROJECT)
    for path in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("docs/*/*.md"))
)
COFFEE_SHOP = PROJECT / "tests" / "projects" / "coffee_shop"  # what the guide and the verdicts speak of
EXPLAINED = "test records with known results"
WRITTEN_BY_A_COMMAND = re.compile(r"# [^\n]+\n+(Written by|<!--) `")
PATH = re.compile(r"`([A-Za-z_]\w*/[\w./-]*)`")


def paragraphs(document: Path) -> Iterator[list[str]]:
    """The prose that people write: no title, code, table or picture, and nothing that a command writes."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    if WRITTEN_BY_A_COMMAND.match(text):
        return
    text = re.sub(r"<!-- ([a-z ]+): begin -->.*?<!-- \1: end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n", text.partition("\n")[2]):
        if lines := [line for line in block.splitlines() if not line.startswith(("|", "![", "[![")) and line.strip()]:
            yield lines


def headings(document: Path) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) < 120


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_lines_of_prose_are_under_120_characters(document: Path) -> None:
    assert [line for lines in paragraphs(document) for line in lines if len(line) >= 120] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_document_explains_the_dye_where_it_first_uses_the_word(document: Path) -> None:
    prose = [" ".join(line.strip() for line in lines) for lines in paragraphs(document) if not lines[0].startswith("#")]
    first = next(
        (text for text in prose if re.search(r"\bdye\b", re.sub(r"`[^`]*`", "", text), re.IGNORECASE)), EXPLAINED
    )
    assert EXPLAINED in first


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    """Links to files and headings of the project, and paths below its folders, or the coffee shop's."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not urlsplit(link).scheme:
            name, _, heading = link.partition("#")
            target = (PROJECT / document).parent / name if name else PROJECT / document
            assert target.exists(), link
            assert not heading or heading in headings(target), link
    made = {line.strip("/") for line in (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    folders = {path.name for path in PROJECT.iterdir() if path.is_dir()} - made
    for path in PATH.findall(text):
        if path.split("/")[0] in folders:
            assert any((project / path).exists() for project in (PROJECT, COFFEE_SHOP)), path


MAP = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8").split("\n## Map\n")[1].split("\n### ")[0]
QUESTIONS = ["a message is signed", "a blockage is decided", "a new operator of sensitivity", "the text of an alert"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_two_steps_lead_a_reader_to_a_place_in_the_code(question: str) -> None:
    """The README to the map, the map to a file; what the map says is in that file is there."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert "[docs/architecture.md](docs/architecture.md) begins with a map" in readme
    (row,) = [line for line in MAP.splitlines() if line.startswith("| ") and question in line.split("|")[1]]
    words = re.findall(r"`([^`]+)`", row.split("|")[2])
    files = [PROJECT / word for word in words if "/" in word]
    files += [file / "__init__.py" for file in files if file.is_dir()]
    defined = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    names = [word for word in words if not word.endswith(".py") and re.fullmatch(r"[A-Za-z_]+(\.[a-z_]+)?", word)]
    assert names
    for name in names:
        for part in name.split("."):
            assert re.search(rf"^ *((def|class) {part}\b|{part}\b.* = )", defined, re.MULTILINE), name


@pytest.mark.parametrize("program", ["angiogram", "ingestion", "sandbox"])
def test_every_command_is_in_the_list_of_commands(program: str) -> None:
    """With its program's name before it, or among the others of its row."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), "--help"], env={**os.environ, "COLUMNS": "200"}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    commands = re.findall(r"^│ ([a-z][a-z-]*) ", done.stdout, re.MULTILINE)
    rows = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8").splitlines()
    listed = [row for row in rows if row.startswith(f"| `{program} ")]
    assert commands
    assert [name for name in commands if not any(re.search(rf"\b{name}\b", row) for row in listed)] == []


def test_the_readme_has_the_numbers_of_the_pages() -> None:
    readme, pages = (PROJECT / "README.md").read_text(), {p.name: p.read_text() for p in PROJECT.glob("docs/*.md")}
    [faults] = re.findall(r"(\d+) planted faults", readme)
    assert f"\n{faults} faults played, {faults} verdicts as expected." in pages["faults.md"]
    [(seen, rides)] = re.findall(r"(\d+) of \d+ possible mistakes seen by (\d+) dye rides", readme)
    assert re.search(rf"\| both, by one `make sensitivity` \| \d+ \| {seen} \|", pages["sensitivity.md"])
    assert f"{rides} dye rides: models and seeds" in pages["sensitivity.md"]


@pytest.fixture(scope="module")
def docs(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages that `make docs` makes."""
    folder = tmp_path_factory.mktemp("docs")
    environment = {**os.environ, "SANDBOX_DIR": str(sandbox.folder.path)}
    subprocess.run([PROJECT / "scripts" / "docs", folder], check=True, env=environment)
    return folder


@pytest.fixture(scope="module")
def manifests(docs: Path) -> dict[str, dict[str, Any]]:
    """What dbt wrote for each page, by target."""
    assert (docs / "dye.html").is_file()
    return {
        target: json.loads((PROJECT / "dbt_project" / f"target_docs_{target}" / "manifest.json").read_text())
        for target in ("prod", "angiogram")
    }


def test_the_overview_is_our_own(docs: Path, manifests: dict[str, dict[str, Any]]) -> None:
    """dbt's own explains dbt. This one says what the project is and what the dye is."""
    for manifest in manifests.values():
        overviews = [doc for doc in manifest["docs"].values() if doc["name"] == "__overview__"]
        assert "taxi_angiogram" in {doc["package_name"] for doc in overviews}
    for page in ("index.html", "dye.html"):
        assert "*Dye* is a set of test rides with known results" in (docs / page).read_text()


def test_whoever_owns_an_exposure_owns_the_dags_and_its_address_is_one(manifests: dict[str, dict[str, Any]]) -> None:
    exposures = manifests["prod"]["exposures"].values()
    assert {exposure["name"] for exposure in exposures} == {"morning_revenue_dashboard", "angiogram_verdict"}
    defaults = (PROJECT / "dags" / "dag_defaults.py").read_text()
    for exposure in exposures:
        assert f'"owner": "{exposure["owner"]["name"]}"' in defaults
        assert exposure["owner"].get("email") is None
        assert urlsplit(exposure["url"]).scheme in ("http", "https")
        assert "example" not in exposure["url"]


def test_every_model_is_judged_by_the_verdict(manifests: dict[str, dict[str, Any]]) -> None:
    for manifest in manifests.values():
        models = {key for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
        (verdict,) = [each for each in manifest["exposures"].values() if each["name"] == "angiogram_verdict"]
        assert set(verdict["depends_on"]["nodes"]) == models


def test_no_source_of_the_dye_is_an_orphan(manifests: dict[str, dict[str, Any]]) -> None:
    """It is read under the dye, and not there in production's graph."""
    rides = "source.taxi_angiogram.angiogram_raw.rides_in_hand"
    assert rides not in manifests["prod"]["sources"]
    assert "model.taxi_angiogram.stg_taxi__rides" in manifests["angiogram"]["child_map"][rides]


def test_expected_seeds_are_folded_away_from_the_graph(manifests: dict[str, dict[str, Any]]) -> None:
    nodes = manifests["angiogram"]["nodes"].values()
    shown = {node["name"] for node in nodes if node["resource_type"] == "seed" and node["docs"]["show"]}
    assert shown == {"zipcodes", "exchange_rates", "car_models", "dye_rides", "dye_malformed"}


@in_browser
@pytest.mark.parametrize(
    ("page", "node", "column", "neighbours"),
    [
        ("index.html", "model.taxi_angiogram.fct_rides", "revenue_usd_amount", {"int_rides__checked", "daily_revenue"}),
        ("index.html", "source.taxi_angiogram.raw.taxi_rides", "message_at", {"stg_taxi__rides"}),
        ("dye.html", "source.taxi_angiogram.angiogram_raw.rides_in_hand", "ride_number", {"stg_taxi__rides"}),
    ],
)
def test_page_shows_a_node_with_its_columns_and_neighbours(
    docs: Path, tmp_path: Path, page: str, node: str, column: str, neighbours: set[str]
) -> None:
    """A node's page names its columns, what it reads and what reads it."""
    address = f"{(docs / page).as_uri()}#!/{node.split('.')[0]}/{node}"
    browser = subprocess.run(
        [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path}", "--dump-dom", address],
        check=True,
        capture_output=True,
        text=True,
    )
    shown_columns = re.findall(r'<span class="text-dark ng-binding">([^<]+)</span>', browser.stdout)
    linked_nodes = re.findall(r'<li ng-repeat="node in nodes".*?href="#!/\w+/[\w.]*?(\w+)"', browser.stdout, re.DOTALL)
    assert column in shown_columns
    assert neighbours <= set(linked_nodes)
