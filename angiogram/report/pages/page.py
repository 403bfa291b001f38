"""The page on one run: a single HTML file that needs no network and no server."""

from collections.abc import Mapping
from dataclasses import dataclass

from angiogram.report.pages.lineage import lineage
from angiogram.report.pages.templates import fill
from angiogram.report.pages.view import MESSAGES_SHOWN, VERDICT_WORDS, RunView
from angiogram.report.pages.view import view as view_of
from angiogram.store.runs import Run


@dataclass(frozen=True, slots=True)
class Docs:
    """Where the dbt docs are.

    Attributes:
        address: of their page.
        project: name of the dbt project.
    """

    address: str
    project: str

    def model(self, name: str) -> str:
        """Return the address of a model's page."""
        return f"{self.address}#!/model/model.{self.project}.{name}"

    def seed(self, name: str) -> str:
        """Return the address of a seed's page."""
        return f"{self.address}#!/seed/seed.{self.project}.{name}"


def page(run: Run, whys: Mapping[str, str], docs: Docs | None = None, history: str | None = None) -> str:
    """Return the page on a run.

    Args:
        run: with its report.
        whys: the purpose of each dye message, by its name.
        docs: where the dbt docs are, if they exist.
        history: address of the page on all runs, if there is one.
    """
    view: RunView = view_of(run)
    return fill(
        "run.html",
        view=view,
        picture=lineage({stage.name: list(map(str, stage.reads)) for stage in view.stages}),
        stages={stage.name: stage for stage in view.stages},
        words=VERDICT_WORDS,
        whys=whys,
        docs=docs,
        history=history,
        messages_shown=MESSAGES_SHOWN,
        longest=max([seconds for _, seconds in view.steps] + [stage.seconds for stage in view.stages], default=0) or 1,
    )
