"""The DAG does every step of a run, once, in the order in which `angiogram run` does them."""

import ast
from pathlib import Path

from angiogram.core.words import STEPS

DAG = Path(__file__).parents[2] / "dags" / "angiogram_dag.py"


def called(name: str) -> list[tuple[str, ...]]:
    """The texts that calls of a function are given, in the order of the file."""
    tree = ast.parse(DAG.read_text(encoding="utf-8"))
    return [
        tuple(str(one.value) for one in node.args if isinstance(one, ast.Constant))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def test_no_step_is_left_out_of_the_dag() -> None:
    """A step that is added to the list belongs into one of the DAG's tasks too."""
    ranges = sorted((STEPS.index(first), STEPS.index(last)) for first, last in called("_steps"))
    done = [STEPS[place] for first, last in ranges for place in range(first, last + 1)]
    # Cosmos's group of models builds the second batch; `begin` and `prepare` are one task.
    by_name = [name for name in ("begin", "prepare") if called(f"steps.{name}")]
    built = ["build_batch_2"] if called("steps.build_in_hand") == [()] else []
    assert sorted([*by_name, *done, *built]) == sorted(STEPS)
