"""A pipeline names its contract in its settings file; what is wrong there is said with file and line."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import Contract
from ingestion.errors import ContractUnusable, SettingsFileUnusable
from ingestion.settings import pipeline
from taxi.contract import CONTRACT

CHECKOUT = Path(__file__).parents[2] / "dbt_project"


def project(folder: Path, settings: str | None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dbt_project.yml").write_text(f"name: '{folder.name}'\n")
    if settings is not None:
        (folder / "angiogram.yml").write_text(settings)
    return folder


def test_the_pipeline_is_called_after_its_dbt_project_and_the_settings_file_names_the_contract() -> None:
    declared = pipeline.pipeline(CHECKOUT)
    assert declared.name == "taxi_angiogram"
    assert declared.contract() is CONTRACT


def test_dbt_project_dir_names_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project(tmp_path / "named", None)))
    monkeypatch.chdir(project(tmp_path / "here", None))
    assert pipeline.pipeline().name == "named"


@pytest.mark.parametrize(
    "line",
    ["name: orders", "name : orders", '"name": orders', "'name': 'orders' # of the shop", "{name: orders}"],
)
def test_the_name_is_read_as_dbt_reads_it(tmp_path: Path, line: str) -> None:
    """Locks, leases and records carry it, and dbt's macros use `project_name`: both must be the same."""
    (tmp_path / "dbt_project.yml").write_text(f"{line}\n")
    assert pipeline.pipeline(tmp_path).name == "orders"


@pytest.mark.parametrize("text", [None, "name: [", "- name", "version: 1"], ids=["none", "broken", "list", "unnamed"])
def test_a_project_whose_name_cannot_be_read_goes_by_its_folder(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "dbt_project.yml").write_text(text)
    assert pipeline.pipeline(tmp_path).name == tmp_path.name


def test_the_nearest_project_upwards_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBT_PROJECT_DIR", raising=False)
    below = project(tmp_path / "near", None) / "models" / "staging"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert pipeline.pipeline().name == "near"


def test_outside_of_any_project_that_of_the_checkout_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBT_PROJECT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert pipeline.project_folder() == CHECKOUT


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(None, r"angiogram\.yml names no contract.*Add a line", id="no-settings-file"),
        pytest.param("live_target: prod\n", r"angiogram\.yml names no contract.*Add a line", id="no-contract"),
        pytest.param(
            "contract: no_such_module:CONTRACT\n",
            r"angiogram\.yml:1 contract: the module no_such_module cannot be",
            id="no-module",
        ),
        pytest.param("contract: json:NONE\n", r":1 contract: NONE does not exist in the module json", id="no-name"),
        pytest.param("contract: json:dumps\n", r":1 contract: json:dumps is a function, not", id="another"),
    ],
)
def test_an_unusable_contract_is_said_with_file_and_line(tmp_path: Path, settings: str | None, said: str) -> None:
    folder = project(tmp_path / "shop", settings)
    with pytest.raises(ContractUnusable, match=said):
        pipeline.contract(folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("live_target: [\n", r"angiogram\.yml:2 is not YAML", id="not-yaml"),
        pytest.param("\ncontract: 7\n", r"angiogram\.yml:2 contract: .*string", id="not-text"),
        pytest.param(
            "live_target: prod\ncontract: shop\n", r"angiogram\.yml:2 contract: shop is not an import", id="no-path"
        ),
        pytest.param("contract: shop.orders:\n", r"angiogram\.yml:1 is not YAML", id="no-name"),
    ],
)
def test_an_unusable_settings_file_is_said_with_file_and_line(tmp_path: Path, settings: str, said: str) -> None:
    folder = project(tmp_path / "shop", settings)
    with pytest.raises(SettingsFileUnusable, match=said):
        pipeline.contract(folder)


def test_ingestion_leaves_the_other_settings_to_whoever_uses_them(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", "contract: taxi.contract:CONTRACT\nlive_traget: prod\n")
    assert pipeline.contract(folder) is CONTRACT


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param(b'{"taxi_id": "taxi-7"}', b"taxi-7", id="text"),
        pytest.param(b'{"taxi_id": 7, "taxi_id": 8}', b"8", id="the-last-counts"),
        pytest.param(b'{"taxi_id": {"a": 1}}', None, id="not-a-key"),
        pytest.param(b'{"fare_amount": 1}', None, id="missing"),
        pytest.param(b'{"taxi_id": ""}', None, id="empty"),
    ],
)
def test_a_message_is_keyed_by_the_key_field_of_the_contract(value: bytes, key: bytes | None) -> None:
    assert CONTRACT.key_of_value(value) == key


def test_a_contract_without_an_owner_is_refused() -> None:
    values = {name: getattr(CONTRACT, name) for name in Contract.__slots__}
    with pytest.raises(ValueError, match="no role for the job owner"):
        Contract(**{**values, "roles": {job: role for job, role in CONTRACT.roles.items() if job != "owner"}})


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ({"readers": {"nobody": ("revenue",)}}, "gives schemas to nobody, which are not among its roles"),
        ({"model_roles": {"nobody": ""}}, "gives schemas to nobody, which are not among its roles"),
        ({"key_field": "nothing"}, "the key field nothing is not among the fields"),
    ],
    ids=["reader", "builder", "key"],
)
def test_a_contract_that_names_what_it_does_not_have_is_refused(mistake: dict[str, Any], told: str) -> None:
    values = {name: getattr(CONTRACT, name) for name in Contract.__slots__}
    with pytest.raises(ValueError, match=told):
        Contract(**{**values, **mistake})
