"""The dbt docs are one static file each, which a browser shows without a server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.services import Sandbox

PROJECT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=15000",
)


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
    habits = (PROJECT / "dags" / "habits.py").read_text()
    for exposure in exposures:
        assert f'"owner": "{exposure["owner"]["name"]}"' in habits
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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to look at the page with")
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
