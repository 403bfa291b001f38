"""Expected seeds, and those that are compared with nothing because their model is gone."""

from typing import Any, NamedTuple

from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, expected_name

_COMPARED = (MODEL, SEED, SNAPSHOT)
"""dbt's words for the nodes that may have an expected seed."""


def expected_seeds(manifest: Any) -> dict[str, tuple[str, str]]:
    """Return the expected seeds by dbt's ID: the node that each is for, and its file."""
    nodes = list(manifest.nodes.values())
    names = {expected_name(n.search_name): n.search_name for n in nodes if n.resource_type in _COMPARED}
    return {
        seed.unique_id: (names.get(seed.name, seed.name.removeprefix(EXPECTED_PREFIX)), seed.original_file_path)
        for seed in nodes
        if seed.resource_type == SEED and seed.name.startswith(EXPECTED_PREFIX)
    }


class Missing(NamedTuple):
    """An expected seed that is compared with nothing: the file to look at, and the reason."""

    file: str
    reason: str


def missing_models(manifest: Any) -> dict[str, Missing]:
    """Return the missing models and seeds by name: those that have only an expected seed.

    Tests and analyses of that name are not compared.
    """
    known = {n.search_name for n in manifest.nodes.values() if n.resource_type in _COMPARED}
    disabled = {n.name: n for several in manifest.disabled.values() for n in several}
    others = {n.name: n for n in manifest.nodes.values() if n.name not in known and n.resource_type not in _COMPARED}
    versions: dict[str, list[str]] = {}
    for node in manifest.nodes.values():
        if node.resource_type == MODEL and node.search_name != node.name:
            versions.setdefault(node.name, []).append(node.search_name)
    found = {}
    for name, seed in sorted(expected_seeds(manifest).values()):
        if name in known:
            continue
        told = f"but its expected seed {expected_name(name)} still exists"
        if node := disabled.get(name):
            found[name] = Missing(
                node.original_file_path,
                f"the {node.resource_type} is disabled, {told}: enable it. If you disabled it on purpose, delete that "
                "seed",
            )
        elif called := sorted(versions.get(name, [])):
            found[name] = Missing(
                seed,
                f"the model has versions, {told}, which is compared with none of them: rename the seed after a version "
                f"({', '.join(map(expected_name, called))}), in dbt_project.yml and in the test equals_expected too",
            )
        elif node := others.get(name):
            found[name] = Missing(
                node.original_file_path,
                f"{node.original_file_path} contains the {node.resource_type} {name} and no model, {told}: nothing is "
                "compared with that seed. Move the model back. If you moved it on purpose, delete the seed",
            )
        else:
            found[name] = Missing(
                seed,
                f"the project has no model of this name, {told}. If you removed the model on purpose, delete that seed",
            )
    return found
