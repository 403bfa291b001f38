"""Writes the dbt manifests from which Cosmos draws the models: `python dags/manifests.py`.

There is one for each target that a DAG builds, since the targets differ in their seeds and tests. A manifest that is
newer than all its source files is not written again.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from project_settings import PROFILES, PROJECT

DYE_TARGET = str(yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["dye_targets"][0])
TARGETS = ("prod", DYE_TARGET)
_SOURCES = ("models", "macros", "tests", "seeds", "dbt_packages", "dbt_project.yml", "profiles.yml", "packages.yml")


def manifest(target: str) -> Path:
    """Return the path of a dbt target's manifest."""
    return PROJECT / "target_manifests" / target / "manifest.json"


def is_current(target: str) -> bool:
    """Return whether the manifest exists and is newer than every file it was made from."""
    path = manifest(target)
    if not path.exists():
        return False
    made = path.stat().st_mtime
    # os.walk, since seeds is a symlink, which Path.rglob does not follow.
    folders = [
        place
        for name in _SOURCES
        for folder, _, files in os.walk(PROJECT / name, followlinks=True)
        for place in (folder, *(os.path.join(folder, file) for file in files))
    ]
    files = [str(PROJECT / name) for name in _SOURCES if (PROJECT / name).is_file()]
    return all(os.stat(place).st_mtime <= made for place in (*folders, *files))


def write(target: str) -> int:
    """Run `dbt parse` for a target, which needs no database, and return its exit code.

    It is a process of its own: in this one dbt would import dbt_build and dbt_models, and Airflow with them, as it
    takes every module named dbt_* on the path for a plugin.
    """
    from angiogram.dbt.command import PLAIN, Folders, arguments_of  # Airflow reads this file without angiogram

    folders = Folders(PROJECT, PROFILES, manifest(target).parent)
    arguments = arguments_of(["parse"], folders, target, ("--quiet", "--write-json", *PLAIN))
    dbt = Path(sys.executable).with_name("dbt")
    return subprocess.run([str(dbt), *arguments], stdout=sys.stderr, check=False).returncode  # noqa: S603


def main() -> int:
    """Write the manifests that are not current, and return 0, or 2 if one could not be made."""
    codes = [write(target) for target in TARGETS if not is_current(target)]
    return 2 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
