"""What a terminal shows while dbt builds, and that nothing is shown where nobody watches."""

import io
import re
from pathlib import Path

from rich.console import Console

from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.report.progress import progress

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def shown(project: Path, is_terminal: bool, is_wanted: bool = True) -> str:
    """All that a console was given while a model was built, without its control sequences."""
    text = io.StringIO()
    with progress(Console(file=text, force_terminal=is_terminal, width=100), is_wanted):
        run_from_seeds(Project(project, dye_source="seeds"), wait=0, criteria=Criteria(select=("sales_by_day",)))
    return _CONTROL.sub("", text.getvalue())


def test_a_terminal_shows_which_node_of_how_many_dbt_is_at(bakery: Path) -> None:
    text = shown(bakery, is_terminal=True)
    assert "Reading the project" in text
    assert re.search(r"Loading seed 7 of 7: \w+", text)
    assert "Building 1 of 1: sales_by_day" in text
    assert shown(bakery, is_terminal=False) == ""
    assert shown(bakery, is_terminal=True, is_wanted=False) == ""
