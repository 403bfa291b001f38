"""The settings file: what may stand in it, and where each error is."""

from pathlib import Path

import pytest

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.pipeline_settings import DeclaredSettings


def _read(folder: Path, text: str) -> DeclaredSettings:
    (folder / "angiogram.yml").write_text(text, encoding="utf-8")
    return DeclaredSettings.read(folder)


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert DeclaredSettings.read(tmp_path).live_target is None


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"], ids=["empty", "comment", "empty document"])
def test_an_empty_file_sets_nothing(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text).live_target is None


def test_the_live_target_is_read(tmp_path: Path) -> None:
    assert _read(tmp_path, "\ufefflive_target: prod\n").live_target == "prod"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("live_target: prod\nlive_traget: prod\n", 2, "live_traget is not a setting"),
        ("# about\nlive_target: [prod]\n", 2, "live_target"),
        ("live_target: ''\n", 1, "live_target"),
        ("live_target: prod\n  more: [\n", 2, "is not YAML"),
        ("- live_target\n", 1, "must hold names with values"),
    ],
    ids=["unknown name", "another type", "empty name", "no YAML", "a list"],
)
def test_an_error_names_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        _read(tmp_path, text)
    assert f"angiogram.yml:{line} " in str(error.value)
    assert words in str(error.value)
