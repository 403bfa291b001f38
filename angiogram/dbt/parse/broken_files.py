"""Finds files that keep dbt from reading a project, and makes placeholders for them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from angiogram.core.short_message import in_a_line
from angiogram.core.source_places import place_of
from angiogram.dbt.parse.project_copy import resource_folders
from ingestion.settings.project_file import PROJECT_FILE

STUB = "{{ config(enabled=true, materialized='view', contract={'enforced': false}) }}\nselect 1 as stub\n"
"""A placeholder for a model that cannot be read. It is never built."""

_BLOCK = re.compile(r"{%-?\s*(macro|test|data_test|materialization|docs)\s+(\w+)([^%]*)")
_NAMED = re.compile(r"\.(?:sql|py|csv|ya?ml|md)\b")
_FILE_IN_MESSAGE = re.compile(r"[\w./-]+\.(?:sql|py|csv|ya?ml|md)\b")
_STUBS = {
    "macro": "{{% macro {0}() %}}{{% set taken = [varargs, kwargs] %}}{{% endmacro %}}\n",
    "test": "{{% test {0}(model) %}}{{% set taken = kwargs %}}select 1 where false{{% endtest %}}\n",
    "docs": "{{% docs {0} %}}{{% enddocs %}}\n",
}


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that cannot be read.

    Attributes:
        file: its path in the project's folder.
        line: the line, from 1; None if unknown.
        reason: in words.
        kind: dbt's word for the content of its folder: model, macro, test, seed and so on; properties for YAML.
        text: its content, as far as it can be read.
    """

    file: str
    line: int | None
    reason: str
    kind: str
    text: str

    @property
    def names(self) -> dict[str, str]:
        """Return the kinds of the blocks that it defines, by name.

        A block is a macro, test, materialization or docs.
        """
        return {name: "test" if kind == "data_test" else kind for kind, name, _ in _BLOCK.findall(self.text)}

    def mentions(self, name: str) -> bool:
        """Return whether a properties file describes something of this name."""
        told = rf"\b(?:name|defined_in):\s*['\"]?{re.escape(name)}['\"]?\s*(?:[,}}#]|$)"
        return re.search(told, self.text, re.MULTILINE) is not None

    @property
    def stub(self) -> str | None:
        """Return a placeholder that defines the names its readers need, or None if none is needed."""
        if self.kind == "model" and self.file.endswith(".sql"):
            return STUB
        if self.kind == "seed":
            return "stub\n"
        if self.kind in ("macro", "test", "docs"):
            return "".join(_STUBS[kind].format(name) for name, kind in self.names.items() if kind in _STUBS) or None
        return None


def scan(directory: Path) -> Iterator[BrokenFile]:
    """Yield the files of a project whose text alone shows that dbt cannot read them."""
    for kind, file in project_files(directory):
        try:
            text = (directory / file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            yield BrokenFile(file, None, f"not UTF-8: {error.reason} at byte {error.start}", kind, "")
            continue
        except OSError as error:  # such as a link to a file that was moved, or a file of another user
            yield BrokenFile(file, None, f"cannot be read: {error.strerror}", kind, "")
            continue
        if (problem := _problem(kind, file, text)) is not None:
            yield BrokenFile(file, problem[0], problem[1], kind, text)


def broken_by(directory: Path, error: BaseException) -> BrokenFile | None:
    """Return the file that an error from dbt is about, or None if unknown.

    Args:
        directory: the project's folder.
        error: as dbt raised it.
    """
    for candidate in _candidates(error):
        for file in _found(directory, candidate):
            kind = next((kind for kind, known in project_files(directory) if known == file), None)
            if kind is None:
                continue
            path = directory / file
            _, line = place_of(directory, file, str(error))
            text = path.read_text(encoding="utf-8", errors="replace")
            return BrokenFile(file, line, in_a_line(str(error)), kind, text)
    return None


def project_file_problem(directory: Path) -> BrokenFile | None:
    """Return why dbt_project.yml is not YAML, or None if it is."""
    text = (directory / PROJECT_FILE).read_text(encoding="utf-8", errors="replace")
    problem = _yaml_problem(text)
    return BrokenFile(PROJECT_FILE, problem[0], problem[1], "project", text) if problem else None


def project_files(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the project files that dbt reads, each with its kind.

    The kind is that of the file's folder, or properties, or docs.
    """
    for kind, paths in resource_folders(directory).items():
        for folder in paths:
            for place, _, names in os.walk(directory / folder, followlinks=True):
                for name in sorted(names):
                    if not _NAMED.search(name):
                        continue
                    file = os.path.relpath(os.path.join(place, name), directory)
                    found = kind
                    if name.endswith((".yml", ".yaml")):
                        found = "properties"
                    elif name.endswith(".md"):
                        found = "docs"
                    yield found, file


def _problem(kind: str, file: str, text: str) -> tuple[int | None, str] | None:
    if kind == "properties":
        return _yaml_problem(text)
    if kind == "docs" or (kind in ("macro", "test") and _BLOCK.search(text)):
        return _block_problem(text) or (_jinja_problem(text) if kind != "docs" else None)
    if file.endswith(".sql"):
        return _jinja_problem(text)
    return None


def _yaml_problem(text: str) -> tuple[int | None, str] | None:
    try:
        yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        return mark.line + 1 if mark else None, f"not YAML: {problem}"
    return None


def _block_problem(text: str) -> tuple[int | None, str] | None:
    from dbt_common.clients.jinja import extract_toplevel_blocks
    from dbt_common.exceptions import CompilationError

    try:
        allowed = {"macro", "materialization", "test", "data_test", "docs", "snapshot"}
        extract_toplevel_blocks(text, allowed_blocks=allowed, collect_raw_data=False)
    except CompilationError as error:
        line = getattr(error, "linecount", None)
        return int(line) if line else None, str(error.msg)
    return None


def _jinja_problem(text: str) -> tuple[int | None, str] | None:
    import jinja2
    from dbt_common.clients.jinja import get_environment

    try:
        get_environment(None, capture_macros=False).parse(text)
    except jinja2.TemplateSyntaxError as error:
        return error.lineno, f"Compilation Error: {error.message}"
    return None


def _candidates(error: BaseException) -> Iterator[str]:
    """Yield possible paths of the broken file, the likeliest first.

    The error's own node and text come first, then what dbt was working on.
    """
    if (node := getattr(error, "node", None)) is not None and getattr(node, "original_file_path", None):
        yield node.original_file_path
    if isinstance(path := getattr(error, "path", None), str):
        yield path
    yield from _FILE_IN_MESSAGE.findall(str(error))
    trace, held = error.__traceback__, []
    while trace is not None:
        for name in ("node", "block"):
            found: Any = trace.tb_frame.f_locals.get(name)
            held.append(getattr(found, "original_file_path", None))
            held.append(getattr(getattr(getattr(found, "file", None), "path", None), "original_file_path", None))
        trace = trace.tb_next
    yield from (path for path in reversed(held) if isinstance(path, str))


def _found(directory: Path, candidate: str) -> list[str]:
    """Return the files that a path may mean.

    dbt reports some paths relative to the project's folder and some relative to the models' folder.
    """
    candidate = os.path.normpath(candidate)
    if (directory / candidate).is_file():
        return [candidate]
    return [file for _, file in project_files(directory) if file.endswith(os.sep + candidate)]
