"""The stand-in for dbt_utils comes in only where the hub does not answer, and judges as the package does."""

import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox.services import Sandbox
from tests.dbt.project import NO_HUB, PROJECT, DbtProject, DbtRun, copy_of_project, install_packages
from tests.services import connect_as_administrator, new_database

EQUALITY_CASES = {
    "equal": ("a integer, b text : (1, null)", "a integer, b text : (1, null)", "pass"),
    "empty": ("a integer, b text", "a integer, b text", "pass"),
    "changed": ("a integer, b text : (1, 'x')", "a integer, b text : (1, 'y')", "fail"),
    "missing": ("a integer, b text", "a integer, b text : (1, 'x')", "fail"),
    "null_or_empty": ("a integer, b text : (1, '')", "a integer, b text : (1, null)", "fail"),
    "doubled": ("a integer : (1), (2), (2)", "a integer : (1), (1), (2)", "pass"),
    "more_columns": ("a integer, b text, c text", "a integer, b text", "error"),
    "excluded": ("a integer, b text, loaded_at text : (1, 'x', 'now')", "a integer, b text : (1, 'x')", "pass"),
}
"""Tables on either side and the verdict of dbt_utils.equality: of doubled rows it knows nothing."""


class EmptyHub(BaseHTTPRequestHandler):
    """A hub that answers, but has no packages."""

    def do_GET(self) -> None:
        """Send an empty index, and nothing else."""
        is_index = self.path == "/api/v1/index.json"
        self.send_response(200 if is_index else 404)
        self.end_headers()
        self.wfile.write(b"[]" if is_index else b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of the tests' output."""


class SmallHub(BaseHTTPRequestHandler):
    """A hub that has one version of dbt_utils, with the stand-in's files."""

    def do_GET(self) -> None:
        """Send the index, what the hub says of the package, or the package."""
        if self.path.endswith(".tar.gz"):
            body = _packed(PROJECT / "stand_in" / "dbt_utils")
        elif self.path == "/api/v1/index.json":
            body = json.dumps(["dbt-labs/dbt_utils"]).encode()
        else:
            host, version = self.headers["Host"], "1.4.1"
            told = {
                "id": f"dbt-labs/dbt_utils/{version}",
                "name": "dbt_utils",
                "version": version,
                "packages": [],
                "require_dbt_version": [],
                "downloads": {"tarball": f"http://{host}/dbt_utils.tar.gz", "format": "tgz", "sha1": ""},
            }
            body = json.dumps({"name": "dbt_utils", "namespace": "dbt-labs", "versions": {version: told}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of the tests' output."""


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname="dbt_utils-1.4.1")
    return packed.getvalue()


@pytest.fixture
def empty_hub() -> Iterator[str]:
    with _serving(EmptyHub) as address:
        yield address


@pytest.fixture
def small_hub() -> Iterator[str]:
    with _serving(SmallHub) as address:
        yield address


@contextmanager
def _serving(hub: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def uninstalled(tmp_path: Path) -> Path:
    """A copy of the project without packages."""
    return copy_without_packages(tmp_path)


def copy_without_packages(folder: Path) -> Path:
    """A copy of the project beside the package that its packages.yml names."""
    project = folder / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target*", "dbt_packages", "logs", "seeds"))
    (folder / "dbt_package").symlink_to(PROJECT.parent / "dbt_package")
    return project


def installed_text(project: Path) -> str:
    return (project / "dbt_packages" / "dbt_utils" / "dbt_project.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a package hub that answers; without one the test is skipped."""
    from dbt.clients.registry import DEFAULT_REGISTRY_BASE_URL

    project = copy_without_packages(tmp_path_factory.mktemp("probe"))
    address = os.environ.get("DBT_PACKAGE_HUB_URL") or DEFAULT_REGISTRY_BASE_URL
    assert address is not None
    if "stand-in" in install_packages(project, address).stderr:
        pytest.skip("no dbt package hub answers here")
    return address


def test_without_a_hub_the_stand_in_is_installed_with_a_warning(uninstalled: Path) -> None:
    """And once more, with nothing to do but to warn again."""
    for _ in range(2):
        installed = install_packages(uninstalled, NO_HUB)
        assert installed.returncode == 0
        assert "WARNING" in installed.stderr
        assert "stand-in" in installed.stderr
        assert "Takes the place of dbt_utils" in installed_text(uninstalled)


def test_a_hub_that_answers_is_never_passed_over(uninstalled: Path, empty_hub: str) -> None:
    """If `dbt deps` then fails, that is the failure: exit code 2, and no stand-in."""
    installed = install_packages(uninstalled, empty_hub)
    assert installed.returncode == 2
    assert "dbt deps" in installed.stderr
    assert not (uninstalled / "dbt_packages" / "dbt_utils" / "macros").exists()


def test_from_a_hub_that_answers_all_packages_are_installed(uninstalled: Path, small_hub: str) -> None:
    """The one that the hub has, and our own from its folder; once installed, no hub is asked."""
    installed = install_packages(uninstalled, small_hub)
    assert installed.returncode == 0, installed.stderr
    packages = uninstalled / "dbt_packages"
    assert {path.name for path in packages.iterdir()} == {"dbt_utils", "data_angiogram"}
    assert (packages / "data_angiogram" / "macros" / "differences.sql").is_file()
    assert install_packages(uninstalled, NO_HUB).stderr == ""


def test_what_dbt_deps_has_installed_is_not_replaced(uninstalled: Path) -> None:
    package = uninstalled / "dbt_packages" / "dbt_utils"
    package.mkdir(parents=True)
    (package / "dbt_project.yml").write_text("name: dbt_utils\n", encoding="utf-8")
    installed = install_packages(uninstalled, NO_HUB)
    assert (installed.returncode, installed.stderr) == (0, "")
    assert installed_text(uninstalled) == "name: dbt_utils\n"


def test_the_package_takes_the_place_of_the_stand_in_once_the_hub_answers(uninstalled: Path, hub: str) -> None:
    install_packages(uninstalled, NO_HUB)
    assert "Takes the place of dbt_utils" in installed_text(uninstalled)
    assert install_packages(uninstalled, hub).returncode == 0
    assert "Takes the place of dbt_utils" not in installed_text(uninstalled)
    assert install_packages(uninstalled, NO_HUB).stderr == "", "once installed, no hub is asked"


def equality_verdicts(project: DbtProject) -> DbtRun:
    """Run dbt_utils.equality, as the project's packages have it, on the tables of EQUALITY_CASES."""
    for folder in ("models", "seeds", "tests", "macros"):
        shutil.rmtree(project.folder / folder)
    (project.folder / "models").mkdir()
    (project.folder / "macros").mkdir()
    tables = [
        {
            "name": f"actual_{case}",
            "data_tests": [
                {
                    "dbt_utils.equality": {
                        "name": case,
                        "arguments": {
                            "compare_model": f"source('cases', 'expected_{case}')",
                            "exclude_columns": ["loaded_at"],
                        },
                    }
                }
            ],
        }
        for case in EQUALITY_CASES
    ] + [{"name": f"expected_{case}"} for case in EQUALITY_CASES]
    (project.folder / "models" / "cases.yml").write_text(
        json.dumps({"sources": [{"name": "cases", "schema": "cases", "tables": tables}]}), encoding="utf-8"
    )
    (project.folder / "dbt_project.yml").write_text(
        json.dumps({"name": "cases", "profile": "taxi_angiogram", "flags": {"send_anonymous_usage_stats": False}}),
        encoding="utf-8",
    )
    return project.run("test", "--target", "angiogram")


@pytest.fixture(scope="module")
def cases(sandbox: Sandbox) -> Iterator[None]:
    """The tables of EQUALITY_CASES in a database of their own."""
    with new_database() as name, closing(connect_as_administrator(name)) as server, server.cursor() as query:
        query.execute("create schema cases; grant usage on schema cases to angiogram")
        for case, (actual, expected, _) in EQUALITY_CASES.items():
            for side, table in (("actual", actual), ("expected", expected)):
                columns, _, rows = table.partition(" : ")
                query.execute(f"create table cases.{side}_{case} ({columns})")
                if rows:
                    query.execute(f"insert into cases.{side}_{case} values {rows}")  # noqa: S608  rows of this module's own
        query.execute("grant select on all tables in schema cases to angiogram")
        yield


EXPECTED_VERDICTS = {case: verdict for case, (_, _, verdict) in EQUALITY_CASES.items()}


def test_the_stand_in_judges_as_the_package_does(cases: None, tmp_path: Path) -> None:
    run = equality_verdicts(copy_of_project(tmp_path))
    assert run.statuses == EXPECTED_VERDICTS, run.output


def test_the_package_judges_as_the_stand_in_does(cases: None, tmp_path: Path, hub: str) -> None:
    run = equality_verdicts(copy_of_project(tmp_path, hub))
    assert run.statuses == EXPECTED_VERDICTS, run.output


def test_the_dye_comes_out_as_expected_with_the_package_too(sandbox: Sandbox, tmp_path: Path, hub: str) -> None:
    """Keys and equality tests of the real dbt_utils agree with the expected seeds."""
    project = copy_of_project(tmp_path, hub)
    with new_database():
        run = project.run("build", "--target", "angiogram")
    assert run.exit_code == 0, run.output
