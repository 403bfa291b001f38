"""The pages as a small web application, to be mounted in a server that people log in to.

It makes each page from the runs at each request.

| path | page |
|---|---|
| / | the latest run; the history if there is none |
| /runs/RUN_ID | the run; RUN_ID.html is the same, since the links in alerts are made for files |
| /history | the latest runs |
"""

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.params import Depends
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from angiogram.core.errors import AngiogramError, UnknownRun
from angiogram.report.pages.history import history
from angiogram.report.pages.run_page import run_page
from angiogram.store import runs
from ingestion.errors import IngestionError

RUNS_SHOWN = 100
"""How many runs the history shows."""

_HEADERS = {"Content-Security-Policy": "frame-ancestors 'self'", "Cache-Control": "no-store"}


def application(guards: Sequence[Depends]) -> FastAPI:
    """Return the application, to be mounted in a server of your own.

    Args:
        guards: dependencies that refuse whoever may not see the pages; they apply to every path.
    """
    pages = FastAPI(title="Angiogram", dependencies=guards, docs_url=None, redoc_url=None, openapi_url=None)

    @pages.get("/")
    def newest() -> RedirectResponse:
        with runs.database("pages") as database:
            found = runs.last(database, 1)
        return RedirectResponse(f"runs/{found[0].run_id}" if found else "history")

    @pages.get("/runs/{run_id}")
    def one(run_id: str) -> HTMLResponse:
        with runs.database("pages") as database:
            run = runs.read(database, run_id.removesuffix(".html"))
        return HTMLResponse(run_page(run, folder=None, history="../history"), headers=_HEADERS)

    @pages.get("/history")
    def all_runs() -> HTMLResponse:
        with runs.database("pages") as database:
            found = runs.last(database, RUNS_SHOWN)
        return HTMLResponse(history(found, {run.run_id: f"runs/{run.run_id}" for run in found}), headers=_HEADERS)

    @pages.exception_handler(UnknownRun)
    def not_there(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), status_code=404)

    @pages.exception_handler(AngiogramError)
    @pages.exception_handler(IngestionError)
    def not_ready(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"{type(error).__name__}: {error}", status_code=503)

    return pages
