"""The dbt docs are one static file each, which a browser shows without a server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

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
