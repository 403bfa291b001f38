"""The stage that is wrong is named, and no other: each model of two projects edited in turn, on one start of dbt."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import COFFEE_SHOP
from tests.angiogram.conftest import PROJECT
from tests.angiogram.recorded import blocked
from tests.angiogram.workbench import Edit, Workbench, workbench
from tests.services import new_database

MODELS = {
    "dbt_project": [
        *("stg_taxi__rides", "int_rides__checked", "fct_rides", "fct_rejected_rides", "dim_dates", "dim_zipcodes"),
        *("daily_revenue", "revenue_by_car_model", "revenue_by_state", "revenue_by_date", "revenue_by_currency"),
    ],
    "coffee_shop": ["base_guests", "base_tickets", "base_lines", "tickets", "guests", "takings_by_month"],
}
PLACES = ("source_topic_id", "source_partition", "source_offset", "loaded_at")
"""The run-dependent columns, which no comparison looks at."""

OTHER_TYPES = {"bigint": "integer", "integer": "bigint", "uuid": "text", "timestamp with time zone": "timestamp"}
OTHER_VALUES = {
    "text": "{0} || '?'",
    "boolean": "not {0}",
    "numeric": "{0} * 2 + 1",
    "timestamp with time zone": "{0} + interval '1 day'",
    "timestamp without time zone": "{0} + interval '1 day'",
}


@pytest.fixture(scope="module")
def benches(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workbench]]:
    """Both projects, each in a database of its own."""
    with ExitStack() as stack:
        yield {
            folder.name: stack.enter_context(_bench(folder, tmp_path_factory.mktemp(folder.name)))
            for folder in (PROJECT, COFFEE_SHOP)
        }


@contextmanager
def _bench(folder: Path, target: Path) -> Iterator[Workbench]:
    with new_database(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_PROFILES_DIR", str(folder))
        patch.setenv("DBT_TARGET_PATH", str(target))
        patch.setenv("DBT_LOG_PATH", str(target))
        with workbench(folder) as bench:
            yield bench


@pytest.fixture
def taxi(benches: dict[str, Workbench]) -> Workbench:
    """The taxi project."""
    return benches[PROJECT.name]


@pytest.fixture
def coffee_shop(benches: dict[str, Workbench]) -> Workbench:
    """The second project."""
    return benches[COFFEE_SHOP.name]


def columns(bench: Workbench, model: str, **changed: str | None) -> Edit:
    """Let a model make some of its columns otherwise, or leave them out."""
    chosen = [changed.get(name, name) for name in bench.columns[model]]
    return selecting(", ".join(text for text in chosen if text is not None))


def selecting(listed: str) -> Edit:
    """Let a model make these columns of those that it makes."""
    return lambda text: f"select {listed} from (\n{text}\n) as edited"  # noqa: S608  of this module's own


def edits(bench: Workbench, model: str) -> Iterator[tuple[str, Edit]]:
    """Edits of a model, each of another column, and what is done to it."""
    compared = [name for name in bench.columns[model] if name not in PLACES]
    of_each = {
        "dropped": lambda name, kind: None,
        "renamed": lambda name, kind: f"{name} as renamed",
        "of another type": lambda name, kind: f"{name}::{OTHER_TYPES.get(kind, 'varchar')} as {name}",
        "of other values": lambda name, kind: f"{OTHER_VALUES.get(kind, '{0} + 1').format(name)} as {name}",
        "emptied": lambda name, kind: f"null::{kind} as {name}",
    }
    for number, (what, text) in enumerate(of_each.items()):
        name = compared[(number * len(compared)) // len(of_each)]
        yield f"{name} {what}", columns(bench, model, **{name: text(name, bench.columns[model][name])})
    yield "a column more", selecting("*, 1 as added")
    numbered, shown = selecting("*, row_number() over () % 2 as odd"), columns(bench, model)
    yield "every other row", lambda text: f"{shown(numbered(text))} where odd = 1"


@pytest.mark.parametrize(
    ("project", "model"), [(project, model) for project, models in MODELS.items() for model in models]
)
def test_whatever_is_done_to_a_model_it_is_named_and_nothing_but_its_expected_seed_besides(
    benches: dict[str, Workbench], project: str, model: str
) -> None:
    bench = benches[project]
    wrongly = {}
    for what, edit in edits(bench, model):
        verdict = bench.judged({model: edit})
        named = blocked(verdict)
        if model not in named or set(named) - {model, f"expected:{model}"}:
            wrongly[what] = named
    assert not wrongly


@pytest.mark.parametrize("model", ["stg_taxi__rides", "int_rides__checked"])
def test_what_no_comparison_looks_at_is_laid_on_the_model_that_spoilt_it_and_not_on_its_reader(
    taxi: Workbench, model: str
) -> None:
    wrongly = {}
    for name, kind in taxi.columns[model].items():
        if name not in PLACES or (model, name) == ("int_rides__checked", "loaded_at"):  # which nothing reads
            continue
        for text in (None, f"{name} as renamed", f"{name}::{OTHER_TYPES[kind]} as {name}"):
            verdict = taxi.judged({model: columns(taxi, model, **{name: text})})
            if (name, text) != ("loaded_at", f"loaded_at::timestamp as {name}") and blocked(verdict) != [model]:
                wrongly[name, text] = blocked(verdict)
    assert not wrongly


def test_the_finding_on_what_no_comparison_looks_at_says_who_is_wrong_for_it(taxi: Workbench) -> None:
    edit = columns(taxi, "stg_taxi__rides", source_offset="source_offset::integer as source_offset")
    [finding] = taxi.judged({"stg_taxi__rides": edit})["findings"]
    assert finding["text"] == (
        "fct_rides, fct_rejected_rides are right on the expected output of stg_taxi__rides and wrong on its"
        " actual output"
        " (fct_rides: its contract is broken: source_offset is INTEGER, the contract says LONGINTEGER). The cause is"
        " something that no comparison covers, such as source_topic_id, source_partition, source_offset, loaded_at"
    )


def test_a_wrong_reference_seed_that_nothing_compares_is_named_as_the_possible_cause(coffee_shop: Workbench) -> None:
    verdict = coffee_shop.judged(seeds={"menu": "price_cents = price_cents + 1"})
    assert blocked(verdict) == ["tickets"]
    [finding] = verdict["findings"]
    assert finding["text"] == (
        "12 differences from what is expected. It reads seed:menu, which is not compared: the cause may lie there."
    )


def test_a_wrong_reference_seed_without_a_test_is_named_if_it_has_an_expected_seed(taxi: Workbench) -> None:
    verdict = taxi.judged(seeds={"zipcodes": "state = upper(state)"})
    assert blocked(verdict) == ["seed:zipcodes"]


def test_models_that_nothing_compares_are_named_as_the_possible_cause(taxi: Workbench) -> None:
    """All of them, up to the next one that is compared."""
    edit = columns(taxi, "stg_taxi__rides", fare_amount="fare_amount + 1 as fare_amount")
    verdict = taxi.judged({"stg_taxi__rides": edit}, unwatched=["stg_taxi__rides", "int_rides__checked"])
    assert sorted(blocked(verdict)) == ["fct_rejected_rides", "fct_rides"]
    hint = " It reads int_rides__checked, stg_taxi__rides, which are not compared: the cause may lie there."
    assert all(finding["text"].endswith(hint) for finding in verdict["findings"])


def test_a_fault_is_not_laid_on_what_is_right_below_a_model_that_nothing_compares(taxi: Workbench) -> None:
    edit = columns(taxi, "stg_taxi__rides", fare_amount="fare_amount + 1 as fare_amount")
    verdict = taxi.judged({"stg_taxi__rides": edit}, unwatched=["int_rides__checked"])
    assert blocked(verdict) == ["stg_taxi__rides"]
    edit = columns(taxi, "stg_taxi__rides", source_offset=None)
    verdict = taxi.judged({"stg_taxi__rides": edit}, unwatched=["int_rides__checked"])
    assert blocked(verdict) == ["stg_taxi__rides"]
