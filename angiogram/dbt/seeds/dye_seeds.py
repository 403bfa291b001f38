"""Says which seeds of a dbt project belong to the dye, and where their files are.

The dye is a set of test records with known results. A seed is known by its name, as in dbt: its folder is free below
the seed paths of the project. The macro is_dye_seed says the same to dbt.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from angiogram.core.errors import SeedError
from angiogram.core.stage_id import SEED
from ingestion.settings.project_file import read_project_file

EXPECTED_PREFIX = "expected__"
"""Prefix of an expected seed's name, followed by the model's, see expected_name."""

INPUT_FOLDER = "input"
"""Folder of the dye's input seeds. Seeds named expected__<model> are expected outputs, others are reference data."""


def is_dye_seed(node: Any) -> bool:
    """Return whether a seed holds dye input or expected output, as in the macro is_dye_seed.

    Its meta.dye takes precedence.
    """
    told = (node.config.meta or {}).get("dye")
    if told is not None:
        return bool(told)
    return node.name.startswith(EXPECTED_PREFIX) or INPUT_FOLDER in Path(node.original_file_path).parts[:-1]


def is_input_seed(node: Any) -> bool:
    """Return whether a node is a seed with dye input that models read, not expected output."""
    return bool(node.resource_type == SEED and is_dye_seed(node) and not node.name.startswith(EXPECTED_PREFIX))


def expected_name(name: str) -> str:
    """Return the name of a model's expected seed.

    It must not contain a dot: the seed of orders.v2 is expected__orders_v2.
    """
    return EXPECTED_PREFIX + name.replace(".v", "_v")


def has_seed(project: Path, name: str) -> bool:
    """Return whether a project has a seed of this name."""
    return any(_files(project, name))


def seed_file(project: Path, name: str) -> Path:
    """Return the file of a project's seed.

    Args:
        project: the project's folder.
        name: the seed's name.

    Raises:
        SeedError: there is no such seed, or more than one.
    """
    found = list(_files(project, name))
    if len(found) == 1:
        return found[0]
    if found:
        raise SeedError(f"The seed {name} has more than one file: {', '.join(map(str, found))}. Delete all but one.")
    raise SeedError(
        f"The seed {name}.csv is missing below {', '.join(str(project / path) for path in _seed_paths(project))}. "
        "Restore it, or set DBT_PROJECT_DIR if this is not the right project."
    )


def expected_file(project: Path, name: str) -> Path:
    """Return the file of an expected seed; for a new one, its place beside the others.

    Raises:
        SeedError: there is more than one such file.
    """
    return seed_file(project, name) if has_seed(project, name) else expected_folder(project) / f"{name}.csv"


def expected_folder(project: Path) -> Path:
    """Return the folder of a project's expected seeds.

    While there are none, it is the folder `expected` below the first seed path.
    """
    known = min(_files(project, f"{EXPECTED_PREFIX}*"), default=None)
    return known.parent if known else project / _seed_paths(project)[0] / "expected"


def _files(project: Path, pattern: str) -> Iterator[Path]:
    """Yield the files of seeds, found as dbt finds them: below the seed paths, through links."""
    for path in _seed_paths(project):
        for folder, _, _ in os.walk(project / path, followlinks=True):
            yield from Path(folder).glob(f"{pattern}.csv")


def _seed_paths(project: Path) -> list[str]:
    """Return the project's seed paths.

    A broken dbt_project.yml is reported by whatever reads the project.
    """
    try:
        declared = read_project_file(project).get("seed-paths")
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        declared = None
    return [str(path) for path in declared] if isinstance(declared, list) and declared else ["seeds"]
