"""dbt's manifest has one reader: what it holds is asked of `angiogram.dbt.manifest`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READER = ROOT / "angiogram" / "dbt"
PARTS = {"nodes", "sources", "macros", "disabled", "child_map", "parent_map"}
NO_MANIFEST = {"project", "_project", "depends_on", "overrides"}
"""What has parts of these names and is no manifest: our project, what a node depends on, what a unit test replaces."""


def raw_reads(tree: ast.AST) -> list[str]:
    """Where a module reads a part of a manifest itself."""
    reads = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in PARTS]
    names = {read: ast.unparse(read.value).split(".")[-1] for read in reads}
    return [f"line {read.lineno}: {ast.unparse(read)}" for read, name in names.items() if name not in NO_MANIFEST]


@pytest.mark.parametrize("folder", ["angiogram", "dags", "ingestion", "plugins", "taxi"])
def test_only_the_reader_of_the_manifest_reads_it(folder: str) -> None:
    files = [file for file in (ROOT / folder).rglob("*.py") if READER not in file.parents]
    assert files
    found = {str(file.relative_to(ROOT)): raw_reads(ast.parse(file.read_text(encoding="utf-8"))) for file in files}
    assert {name: reads for name, reads in found.items() if reads} == {}


def test_a_raw_read_is_seen_whatever_the_manifest_is_called() -> None:
    assert len(raw_reads(ast.parse("project.manifest.nodes.get(one); parsed.sources; live.nodes[one]"))) == 3
    assert raw_reads(ast.parse("project.nodes; self._project.nodes; node.depends_on.macros")) == []
