"""The job that runs the dye on every change, for GitHub or GitLab."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from angiogram.dbt.package.installing import PLACE
from ingestion.extras import DISTRIBUTION

GITHUB, GITLAB = Path(".github/workflows/angiogram.yml"), Path("angiogram.gitlab-ci.yml")
"""The files, from the top of the repository."""

_FETCH = f"{PLACE}=$(angiogram settings --package) dbt deps"
_VARIABLE = re.compile(r"env_var\(\s*['\"](\w+)['\"]\s*(,)?")
_IN_CI = {
    **dict.fromkeys(("user", "password", "pass"), "angiogram"),
    **dict.fromkeys(("dbname", "database"), "angiogram"),
    "port": "5432",
    "threads": "2",
}
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Job:
    """What the job needs to know.

    Attributes:
        project: the project's folder, from the top of the repository.
        engine: of its dye target.
        variables: the environment variables that the profile asks for, with values for CI.
        user, database: of the server that the job starts, on PostgreSQL.
        notes: what a person has to see to.
    """

    project: str
    engine: str
    variables: Mapping[str, str]
    user: str
    database: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, folder: Path, profiles: Path, engine: str, output: Mapping[str, Any]) -> "Job":
        """Work it out.

        Args:
            root: the top of the repository.
            folder: the project's.
            profiles: the file profiles.yml.
            engine: of the dye target.
            output: the live target as profiles.yml has it, of which the dye target is a copy.
        """
        host = "postgres" if (root / ".gitlab-ci.yml").is_file() else "localhost"
        values = {**_IN_CI, "host": host, "path": "target/live.duckdb"}
        variables = {
            name: values.get(field, "ci")
            for field, value in output.items()
            for name, has_default in _VARIABLE.findall(str(value))
            if field in values or not has_default
        }
        fixed = {field: str(value) for field, value in output.items() if not _VARIABLE.search(str(value))}
        notes = []
        if not profiles.resolve().is_relative_to(root.resolve()):
            notes.append("profiles.yml is outside of the repository: add one for CI, and name its folder")
            notes.append("in DBT_PROFILES_DIR.")
        if engine == "postgres" and fixed.get("host", "localhost") not in _HERE:
            notes.append("profiles.yml has a fixed host: let it be an env_var, or this job builds the dye there.")
        return cls(
            relpath(folder.resolve(), root.resolve()),
            engine,
            dict(sorted(variables.items())),
            fixed.get("user", _IN_CI["user"]),
            fixed.get("dbname", _IN_CI["dbname"]),
            tuple(notes),
        )

    def github(self) -> str:
        """Return the workflow for GitHub."""
        job: dict[str, Any] = {"runs-on": "ubuntu-latest"}
        if self.engine == "postgres":
            options = "--health-cmd pg_isready --health-interval 2s --health-retries 30"
            job["services"] = {"postgres": self._server() | {"ports": ["5432:5432"], "options": options}}
        if self.variables:
            job["env"] = dict(self.variables)
        if self.project != ".":
            job["defaults"] = {"run": {"working-directory": self.project}}
        page = "angiogram.html"
        job["steps"] = [
            {"uses": "actions/checkout@v4"},
            {"uses": "actions/setup-python@v5", "with": {"python-version": "3.12"}},
            {"run": self._install()},
            {"run": _FETCH},
            {"run": f"angiogram run --from-seeds --page {page}"},
            {"if": "always()", "run": 'angiogram report --format markdown >> "$GITHUB_STEP_SUMMARY"'},
            {
                "if": "always()",
                "uses": "actions/upload-artifact@v4",
                "with": {"name": "angiogram", "path": str(Path(self.project) / page)},
            },
        ]
        return self._written(
            {
                "name": "angiogram",
                "on": {"pull_request": None},
                "permissions": {"contents": "read"},
                "jobs": {"angiogram": job},
            }
        )

    def gitlab(self) -> str:
        """Return the job for GitLab, to be included in its .gitlab-ci.yml."""
        job: dict[str, Any] = {
            "image": "python:3.12",
            "rules": [{"if": "$CI_PIPELINE_SOURCE == 'merge_request_event'"}],
        }
        server = self._server()
        variables = dict(self.variables)
        if self.engine == "postgres":
            job["services"] = [{"name": server["image"], "alias": "postgres"}]
            variables |= server["env"]
        if variables:
            job["variables"] = variables
        enter = [f"cd {self.project}"] if self.project != "." else []
        job["script"] = [*enter, self._install(), _FETCH, "angiogram run --from-seeds --page angiogram.html"]
        job["after_script"] = [*enter, "angiogram report --format junit --output angiogram.xml"]
        files = [str(Path(self.project) / name) for name in ("angiogram.html", "angiogram.xml")]
        job["artifacts"] = {"when": "always", "paths": files[:1], "reports": {"junit": files[1]}}
        return self._written({"angiogram": job})

    def _server(self) -> dict[str, Any]:
        """A server of the job's own, which lets in anybody: no password of yours is repeated here."""
        settings = {"POSTGRES_USER": self.user, "POSTGRES_DB": self.database, "POSTGRES_HOST_AUTH_METHOD": "trust"}
        return {"image": "postgres:18", "env": settings}

    def _install(self) -> str:
        extra = "" if self.engine == "postgres" else f"[{self.engine}]"
        return f'pip install "{DISTRIBUTION}{extra}=={version(DISTRIBUTION)}"'

    def _written(self, content: dict[str, Any]) -> str:
        head = [
            "The dye test of every change: the models alone, built from the input seeds.",
            "`angiogram init` wrote this file once; it is yours now.",
            *self.notes,
        ]
        lines = [f"# {line}\n" for line in head]
        text = yaml.safe_dump(content, sort_keys=False, width=1000)
        return "".join(lines) + text.replace("'on':", "on:").replace("pull_request: null", "pull_request:")


def repository_of(folder: Path) -> Path | None:
    """Return the top of the git checkout that a folder is in. None if it is in none."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
