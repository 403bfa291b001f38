"""The second project, tests/projects/coffee_shop, and copies of it that a test may change."""

import shutil
from pathlib import Path

from angiogram.dbt.package.installing import install

COFFEE_SHOP = Path(__file__).resolve().parents[1] / "projects" / "coffee_shop"


def copied(copy: Path) -> Path:
    """Copy the project, without what dbt made of it; the copy's folder."""
    shutil.copytree(COFFEE_SHOP, copy, ignore=shutil.ignore_patterns("target*", "logs", "dbt_packages"))
    install(copy)
    return copy
