"""The environment is read in settings alone, so that what a process was told is known in one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("angiogram", "ingestion", "sandbox", "taxi", "dags", "plugins", "scripts")
ENVIRON = {"ingestion/settings/environ.py", "dags/project_settings.py"}
"""The only modules that touch os.environ. Airflow reads the DAG files again and again: theirs imports nothing."""

READ_BY_NAME = {
    "ingestion/settings/declared.py": "is settings",
    "ingestion/settings/roles.py": "is settings: a contract names the variable of a password",
    "angiogram/dbt/live_target.py": "asks which secrets of the profile are set",
    "angiogram/operate/settings_in_force.py": "prints what is set, which may be unusable or incomplete",
    "sandbox/airflow/airflow.py": "starts programs with this environment and more",
}
"""Who asks for single variables, or for all, instead of a settings class, and why."""

WRITTEN = {
    "angiogram/dbt/command.py": "hides DBT_ variables from dbt, which reads the environment itself",
    "angiogram/dbt/live_target.py": "gives dbt a placeholder for secrets, where no server is asked",
    "angiogram/faults/place.py": "dbt takes the database from its profile, which asks env_var for it",
    "sandbox/services.py": "started the servers, whose addresses and secrets settings read from variables alone",
}
"""Who changes variables for a while, and why no argument can do it."""


def _files() -> list[Path]:
    modules = [file for name in CODE for file in (ROOT / name).rglob("*.py")]
    scripts = [file for file in (ROOT / "scripts").iterdir() if file.is_file() and not file.suffix]
    return modules + [file for file in scripts if "python" in file.read_text(encoding="utf-8").partition("\n")[0]]


TREES = {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in _files()}


def _importing(*names: str) -> set[str]:
    return {
        file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "ingestion.settings.environ"
        if {alias.name for alias in node.names} & set(names)
    }


def test_one_module_touches_the_environment() -> None:
    found = {
        file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb", "putenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & _names(node))
    }
    assert found == ENVIRON, "read it in a settings class, and pass on what it says"


def test_settings_classes_read_it_for_nearly_everybody() -> None:
    assert _importing("variable", "is_set", "environment") == set(READ_BY_NAME), "read it in a settings class"


def test_it_is_changed_only_for_what_takes_no_argument() -> None:
    assert _importing("changed") == set(WRITTEN), "pass an argument on"


@pytest.mark.parametrize("name", CODE)
def test_what_is_looked_through_is_there(name: str) -> None:
    assert any(file.startswith(f"{name}/") for file in TREES)


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}
