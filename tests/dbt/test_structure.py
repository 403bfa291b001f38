"""What every model and seed must have; a test that dbt cannot find would only be a warning, and green."""

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.project import PROJECT, DbtProject


@pytest.fixture(scope="module")
def manifest(project: DbtProject) -> dict[str, Any]:
    """The project as dbt reads it under target angiogram."""
    parsed = project.run("--warn-error", "parse", "--target", "angiogram")
    assert parsed.exit_code == 0, parsed.output
    return project.manifest()


def own_nodes(manifest: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    return [node for node in nodes if node["resource_type"] == kind and node["package_name"] == "taxi_angiogram"]


REFERENCE = ("zipcodes", "exchange_rates", "car_models")


def columns_of(seed: dict[str, Any]) -> list[str]:
    with Path(PROJECT / seed["original_file_path"]).open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def test_every_model_is_compared_with_its_expected_seed_by_both_tests(manifest: dict[str, Any]) -> None:
    models = {model["name"]: model for model in own_nodes(manifest, "model")}
    seeds = {seed["name"]: seed["unique_id"] for seed in own_nodes(manifest, "seed")}
    compared = {*models, *REFERENCE}
    assert {f"expected__{name}" for name in compared} == {name for name in seeds if name.startswith("expected__")}
    tests = {test["name"]: test for test in own_nodes(manifest, "test")}
    for name, model in models.items():
        for kind in ("equality", "equals_expected"):
            test = tests[f"{kind}__{name}"]
            assert test["attached_node"] == model["unique_id"]
            assert test["test_metadata"]["name"] == kind
            assert set(test["depends_on"]["nodes"]) == {model["unique_id"], seeds[f"expected__{name}"]}
            assert test["config"]["severity"] == "error"
    for name in REFERENCE:
        assert tests[f"equals_expected__{name}"]["attached_node"] == seeds[name]


def test_an_expected_seed_has_the_columns_of_its_model_but_those_that_differ_from_run_to_run(
    manifest: dict[str, Any],
) -> None:
    run_dependent = {"source_topic_id", "source_partition", "source_offset", "loaded_at"}
    expected = {seed["name"]: columns_of(seed) for seed in own_nodes(manifest, "seed")}
    for model in own_nodes(manifest, "model"):
        described = [column for column in model["columns"] if column not in run_dependent]
        assert expected[f"expected__{model['name']}"] == described, model["name"]


def test_every_column_of_every_seed_has_its_type(manifest: dict[str, Any]) -> None:
    """dbt would guess: zip codes would lose their zeros, 12.50 would become 12.5."""
    for seed in own_nodes(manifest, "seed"):
        assert list(seed["config"]["column_types"]) == columns_of(seed), seed["name"]


def test_every_model_seed_source_and_column_is_described(manifest: dict[str, Any]) -> None:
    for kind in ("model", "source"):
        for node in own_nodes(manifest, kind):
            assert node["description"], node["name"]
            assert node["columns"], node["name"]
            assert all(column["description"] for column in node["columns"].values()), node["name"]


def test_every_description_of_a_model_ends_with_its_grain(manifest: dict[str, Any]) -> None:
    for model in own_nodes(manifest, "model"):
        assert model["description"].rstrip().rsplit(". ", 1)[-1].startswith("One row per "), model["name"]


def test_ordinary_tests_only_warn_under_target_angiogram(manifest: dict[str, Any]) -> None:
    """Every model is built and compared, even if an early one breaks a rule."""
    ordinary = [t for t in own_nodes(manifest, "test") if not t["name"].startswith(("equality__", "equals_expected__"))]
    assert ordinary
    assert {test["config"]["severity"].lower() for test in ordinary} == {"warn"}


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_live_targets_know_neither_dye_nor_equality_tests(
    target: str, project: DbtProject, manifest: dict[str, Any]
) -> None:
    parsed = project.run("--warn-error", "parse", "--target", target, "--no-partial-parse")
    assert parsed.exit_code == 0, parsed.output
    live = project.manifest()
    assert {node["name"] for node in own_nodes(live, "seed")} == {"zipcodes", "exchange_rates", "car_models"}
    assert {node["name"] for node in own_nodes(live, "model")} == {n["name"] for n in own_nodes(manifest, "model")}
    assert not [t for t in own_nodes(live, "test") if t["name"].startswith(("equality__", "equals_expected__"))]
