"""A copy of a dbt project in which files can be replaced.

It consists of links to the original's files, so it costs almost nothing.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

from ingestion.settings.project_file import read_project_file

_PATHS = ("model", "seed", "test", "macro", "snapshot", "analysis", "asset", "docs")
_DEFAULTS = {"model": ["models"], "seed": ["seeds"], "test": ["tests"], "macro": ["macros"]}
_DEFAULTS |= {"snapshot": ["snapshots"], "analysis": ["analyses"]}
_OURS = ("target", "logs", ".git")
"""Prefixes of names that dbt does not read, or writes itself."""


def resource_folders(directory: Path) -> dict[str, list[str]]:
    """Return the folders of models, seeds and so on, by kind, as dbt_project.yml names them."""
    settings = read_project_file(directory)
    return {kind: list(settings.get(f"{kind}-paths") or _DEFAULTS.get(kind, [])) for kind in _PATHS}


class ProjectCopy:
    """The copy, which is deleted with the object.

    Attributes:
        directory: its folder.
    """

    def __init__(self, original: Path) -> None:
        """Link to everything in the original.

        Args:
            original: the project's folder.
        """
        top = Path(tempfile.mkdtemp(prefix="angiogram-"))
        weakref.finalize(self, shutil.rmtree, top, ignore_errors=True)
        outside = [path for paths in resource_folders(original).values() for path in paths if path.startswith("..")]
        self.directory = top.joinpath(*["up"] * max((path.count("..") for path in outside), default=0), original.name)
        self._top = top
        _link_children(original, self.directory, [name for name in os.listdir(original) if not name.startswith(_OURS)])
        for path in outside:
            place = Path(os.path.normpath(self.directory / path))
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to((original / path).resolve())

    def put(self, file: str, text: str | None) -> None:
        """Replace or create a file, or remove it if the text is None.

        Args:
            file: its path in the project's folder.
            text: its new content.
        """
        place = Path(os.path.normpath(self.directory / file))
        self._make_real(place.parent)
        place.unlink(missing_ok=True)
        if text is not None:
            place.write_text(text, encoding="utf-8")

    def _make_real(self, folder: Path) -> None:
        """Replace the link to a folder with a real folder full of links."""
        if folder == self._top:
            return
        self._make_real(folder.parent)
        if folder.is_symlink():
            original = folder.resolve()
            folder.unlink()
            for place, _, files in os.walk(original, followlinks=True):  # dbt follows no link below such a folder
                _link_children(Path(place), folder / os.path.relpath(place, original), files)
        folder.mkdir(exist_ok=True)


def _link_children(original: Path, folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).symlink_to((original / name).resolve())
