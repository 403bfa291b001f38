"""The second project, tests/projects/coffee_shop, and copies of it that a test may change."""

import shutil
from pathlib import Path

COFFEE_SHOP = Path(__file__).resolve().parents[1] / "projects" / "coffee_shop"


def copied(copy: Path) -> Path:
    """Copy the project, without what dbt made of it; the copy's folder."""
    shutil.copytree(COFFEE_SHOP, copy, ignore=shutil.ignore_patterns("target*", "logs"))
    return copy
