"""A name means one thing: whoever searches for it finds one place."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from angiogram.core.words import STEPS
from angiogram.faults.fault import Step
from angiogram.run import walk

ROOT = Path(__file__).parents[1]
PACKAGES = ("angiogram", "ingestion", "sandbox", "taxi", "dags", "plugins")
OF_EACH_FILE = {"app", "log", "talk", "FAULTS"}
"""What several files have each: their commands, their log, their console, their part of the catalogue."""


def _public_names(tree: ast.Module) -> Iterator[str]:
    """The names of classes, types and constants at the top level."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in _parts(target) if isinstance(part, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    """What is assigned to: `a, b = ...` assigns to two names."""
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _parts(part)
    else:
        yield target


def test_no_two_classes_types_or_constants_share_a_name() -> None:
    places = defaultdict(list)
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for name in _public_names(ast.parse(file.read_text(encoding="utf-8"))):
                places[name].append(str(file.relative_to(ROOT)))
    assert len(places) > 500
    assert {name: files for name, files in places.items() if len(files) > 1 and name not in OF_EACH_FILE} == {}


def test_the_steps_have_one_order_and_one_set_of_names() -> None:
    """What does a step, and where a fault can be planted, are named apart; types need the names spelled out."""
    assert ("begin", *walk._DO) == STEPS
    assert get_args(Step) == STEPS[STEPS.index("inject") : STEPS.index("verdict")]
