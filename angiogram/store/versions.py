"""The versions of a run: the commit of the code, and the programs that matter."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.core.environment import Environment
from ingestion.settings import KafkaSettings

PACKAGES = ("data-angiogram", "dbt-core", "dbt-postgres", "kafka-python", "psycopg2-binary")

_HERE = Path(__file__).resolve().parent


def code_commit() -> str | None:
    """Return the commit that is checked out, with `+` if files in it are changed.

    Where there is no repository, the variable GIT_COMMIT gives the commit.

    Returns:
        None if neither is available.
    """
    if told := Environment.from_environment().git_commit:
        return told
    git = ["git", "-C", str(_HERE)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changes = subprocess.run(  # noqa: S603
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


def short_commit(commit: str) -> str:
    """Shorten a commit for pages, keeping the + of a checkout with changes."""
    return commit[:12] + ("+" if commit.endswith("+") else "")


def record(database: connection, run_id: str) -> None:
    """Store the versions in the run's row.

    Args:
        database: as role angiogram, in autocommit.
        run_id: the active run.
    """
    found: dict[str, str | None] = {
        "code_commit": code_commit(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "PostgreSQL": database.get_parameter_status("server_version"),
        "topic": KafkaSettings.from_environment().topic,
    }
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set report = coalesce(report, '{}') || %s where run_id = %s",
            (Json({"versions": found}), run_id),
        )
