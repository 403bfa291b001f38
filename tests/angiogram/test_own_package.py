"""The dbt package data_angiogram is there in every project that asks for it, also where its entry cannot be fetched."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from angiogram.dbt.package.installing import carried, install, is_complete
from tests.angiogram.coffee_shop import copied
from tests.dbt.project import NO_HUB, DbtProject

ROOT = Path(__file__).parents[2]
GIT = {"git": "https://git.invalid/angiogram.git", "subdirectory": "dbt_package", "revision": "1.0.0"}


def asking(project: Path, *entries: dict[str, str], file: str = "packages.yml") -> Path:
    """Write what a project asks for; where its package lies."""
    (project / "dbt_project.yml").write_text("name: shop\n")
    (project / file).write_text(yaml.safe_dump({"packages": list(entries)}))
    return project / "dbt_packages" / "data_angiogram"


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        (GIT, "packages.yml"),
        (GIT, "dependencies.yml"),
        ({"local": "../elsewhere/dbt_package"}, "packages.yml"),
        ({"package": "somebody/data_angiogram", "version": "1.0.0"}, "packages.yml"),
        ({"tarball": "https://git.invalid/a.tar.gz", "name": "data_angiogram"}, "packages.yml"),
    ],
)
def test_what_came_with_the_command_stands_in_for_an_entry_that_is_not_installed(
    tmp_path: Path, entry: dict[str, str], file: str
) -> None:
    place = asking(tmp_path, entry, file=file)
    assert not is_complete(tmp_path)
    assert install(tmp_path)
    assert is_complete(tmp_path)
    assert place.resolve() == carried().resolve() == ROOT / "dbt_package"
    assert not install(tmp_path), "once is enough"


def test_a_local_entry_is_linked_to_its_own_folder(tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "dbt_project.yml").write_text("name: data_angiogram\n")
    project = tmp_path / "shop"
    project.mkdir()
    place = asking(project, {"local": "../mine"})
    assert install(project)
    assert place.resolve() == own


def test_what_dbt_deps_has_installed_stays(tmp_path: Path) -> None:
    place = asking(tmp_path, GIT)
    place.mkdir(parents=True)
    assert not install(tmp_path)
    assert not place.is_symlink()


def test_a_link_to_a_checkout_that_was_moved_is_made_anew(tmp_path: Path) -> None:
    place = asking(tmp_path, GIT)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "gone")
    assert install(tmp_path)
    assert place.resolve() == carried().resolve()


def test_a_project_that_does_not_ask_for_it_gets_nothing(tmp_path: Path) -> None:
    place = asking(tmp_path, {"local": "../other"}, {"package": "dbt-labs/dbt_utils", "version": "1.4.1"})
    assert not install(tmp_path)
    assert not place.parent.exists()
    assert not is_complete(tmp_path)


def test_the_package_goes_where_the_project_has_its_packages(tmp_path: Path) -> None:
    asking(tmp_path, GIT)
    (tmp_path / "dbt_project.yml").write_text("name: shop\npackages-install-path: parts\n")
    assert install(tmp_path)
    assert (tmp_path / "parts" / "data_angiogram").resolve() == carried().resolve()


def test_a_macro_of_the_package_calls_its_neighbours_by_the_package() -> None:
    """In a project's hooks and models dbt looks for a bare name in that project alone."""
    macros = {path: path.read_text(encoding="utf-8") for path in sorted((carried() / "macros").glob("*.sql"))}
    names = {name for text in macros.values() for name in re.findall(r"{%-?\s*macro\s+(\w+)\(", text)}
    assert len(names) > 40
    bare = re.compile(rf"(?<![\w.'])({'|'.join(names)})\(")
    for path, text in macros.items():
        code = re.sub(r"{#.*?#}", "", text, flags=re.DOTALL)
        code = re.sub(r"{%-?\s*macro\s[^%]*%}", "", code)
        assert bare.findall(code) == [], path.name


def test_each_macro_of_the_package_is_described() -> None:
    described = yaml.safe_load((carried() / "macros" / "_macros.yml").read_text(encoding="utf-8"))
    names = {one["name"] for one in described["macros"]}
    files = {path.stem for path in (carried() / "macros").glob("*.sql")}
    assert {name for name in files if "__" not in name} <= {name.removeprefix("test_") for name in names}


@pytest.mark.parametrize("from_where", ["local", "git"])
def test_dbt_deps_installs_it_by_one_entry_without_a_hub(tmp_path: Path, from_where: str) -> None:
    """A macro and the test of the package are then found, with no file of the package in the project."""
    entry = {"local": str(ROOT / "dbt_package")}
    if from_where == "git":
        repository = tmp_path / "repository"
        shutil.copytree(ROOT / "dbt_package", repository / "dbt_package")
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
        for command in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-q", "-m", "package")):
            subprocess.run(["git", *command], cwd=repository, check=True)
        entry = {"git": repository.as_uri(), "subdirectory": "dbt_package", "revision": "main"}
    project = DbtProject(copied(tmp_path / "coffee_shop"))
    shutil.rmtree(project.folder / "dbt_packages")
    asking_for = yaml.safe_dump({"packages": [entry]})
    (project.folder / "packages.yml").write_text(asking_for, encoding="utf-8")
    asked = ("PGHOST", "PGDATABASE", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD")
    environment = {"DBT_PACKAGE_HUB_URL": NO_HUB, "PGPORT": "1"} | dict.fromkeys(asked, "none")
    installed = project.run("deps", **environment)
    assert installed.exit_code == 0, installed.output
    parsed = project.run("parse", "--target", "angiogram", **environment)
    assert parsed.exit_code == 0, parsed.output
    manifest = project.manifest()
    assert "macro.data_angiogram.keep_dye_apart" in manifest["macros"]
    namespaces = {node["test_metadata"]["namespace"] for node in manifest["nodes"].values() if "equals" in node["name"]}
    assert namespaces == {"data_angiogram"}
