"""A run's page with the purpose of each dye message and links to the dbt docs."""

from pathlib import Path

from angiogram.core.environment import Environment
from angiogram.dye.seeds import has_dye, read_dye, read_malformed
from angiogram.report.pages.page import Docs, page
from angiogram.store import runs
from ingestion.addresses import without_user_info
from ingestion.settings.pipeline import pipeline

_DOCS_PAGE = "site/dye.html"


def run_page(run: runs.Run, folder: Path | None, history: str | None = None) -> str:
    """Return a run's page.

    Args:
        run: with its report.
        folder: where the page will be, for its link to the dbt docs; None if it is not a file.
        history: address of the page on all runs, if there is one.
    """
    return page(run, whys(), _docs(folder), history)


def whys() -> dict[str, str]:
    """Return the purpose of each dye message, by its name.

    It is empty for a project that has other input seeds.
    """
    if not has_dye():
        return {}
    return {message.name: message.why for message in read_dye()} | {m.name: m.why for m in read_malformed()}


def _docs(folder: Path | None) -> Docs | None:
    beside = _DOCS_PAGE if folder and (folder / _DOCS_PAGE).is_file() else None
    address = without_user_info(Environment.from_environment().docs_url) or beside
    if address is None:
        return None
    return Docs(address, pipeline().name)
