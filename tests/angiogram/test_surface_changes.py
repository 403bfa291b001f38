"""What became of the surface: red where a reader no longer finds, may read, or gets the same; a notice otherwise."""

from pathlib import Path

import pytest

from angiogram.core.errors import InvalidSurface
from angiogram.judge.guards.surface import SURFACE_FILE, ModelSurface, Surface
from angiogram.judge.guards.surface_changes import changes

MART = ModelSurface(
    relation="marts.orders",
    materialized="table",
    grants={"select": ["reader", "finance"]},
    columns={"id": "integer", "total": "numeric", "note": "text"},
    watched=True,
)


def surface(**models: ModelSurface) -> Surface:
    return Surface(live_target="prod", models=models)


def told(after: ModelSurface | None, before: ModelSurface = MART) -> list[tuple[str, str]]:
    """Red (R) or notice (n), with the words."""
    now = surface(orders=after) if after else surface()
    return [("R" if change.kind else "n", change.text) for change in changes(surface(orders=before), now)]


def mart(**changed: object) -> ModelSurface:
    return MART.model_copy(update=changed)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        pytest.param(None, "Readers no longer find marts.orders: the project has no such model", id="gone"),
        pytest.param(mart(relation="finance.orders"), "target prod builds it as finance.orders", id="other schema"),
        pytest.param(mart(relation="marts.orders_v2"), "builds it as marts.orders_v2", id="other alias"),
        pytest.param(mart(relation=None, materialized="ephemeral"), "it is ephemeral now", id="ephemeral"),
        pytest.param(mart(relation=None, materialized=None), "target prod does not build it", id="disabled there"),
        pytest.param(mart(grants={"select": ["finance"]}), "reader may no longer select from", id="grant taken"),
        pytest.param(mart(grants={}), "finance, reader may no longer select from", id="all grants gone"),
        pytest.param(
            mart(columns={"id": "integer", "total": "numeric"}),
            "Column note of marts.orders is gone.",
            id="column gone",
        ),
        pytest.param(
            mart(columns={"id": "integer", "sum": "numeric", "note": "text"}),
            "Column total of marts.orders is gone. sum is new: was it renamed?",
            id="column renamed",
        ),
        pytest.param(
            mart(columns={"id": "bigint", "total": "numeric", "note": "text"}),
            "Column id of marts.orders is bigint now; it was integer.",
            id="other type",
        ),
        pytest.param(
            mart(columns={"id": "integer", "note": "text", "total": "numeric"}),
            "The columns of marts.orders are in another order, from note on",
            id="another order",
        ),
    ],
)
def test_what_a_reader_loses_is_red(after: ModelSurface | None, words: str) -> None:
    red = [text for mark, text in told(after) if mark == "R"]
    assert len(red) == 1, red
    assert words in red[0]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        pytest.param(
            mart(columns={"id": "integer", "new": "text", "total": "numeric", "note": "text"}),
            "marts.orders has a new column new.",
            id="new column, even between others",
        ),
        pytest.param(mart(materialized="view"), "is built as view now; it was table.", id="built otherwise"),
        pytest.param(mart(grants={"select": ["reader", "finance", "all"]}), "all may select from", id="new grant"),
    ],
)
def test_what_a_reader_gains_is_a_notice(after: ModelSurface, words: str) -> None:
    [(mark, text)] = told(after)
    assert mark == "n"
    assert words in text


def test_a_new_model_is_a_notice_and_an_ephemeral_one_is_nothing() -> None:
    now = surface(orders=MART, more=MART, between=ModelSurface(materialized="ephemeral"))
    assert [(change.code, change.text) for change in changes(surface(orders=MART), now)] == [
        ("new_model", "more is a new model.")
    ]


def test_a_new_model_that_builds_the_relation_of_one_that_is_gone_is_that_model_under_another_name() -> None:
    """Readers notice nothing, unless something else changed too."""
    now = surface(sales=mart(watched=False))
    before, names = surface(orders=MART).under_new_names(now)
    assert (before, names) == (surface(sales=MART), {"orders": "sales"})
    assert surface(orders=MART).under_new_names(surface(sales=mart(relation="marts.sales")))[1] == {}


def test_a_model_that_readers_knew_before_does_not_take_the_place_of_another_unnoticed() -> None:
    other = mart(relation="marts.sales")
    before, names = surface(orders=MART, sales=other).under_new_names(surface(sales=MART))
    assert names == {}
    assert len([change for change in changes(before, surface(sales=MART)) if change.kind]) == 2


def test_what_was_accepted_under_both_names_is_known_by_the_new_one() -> None:
    """After `angiogram accept sales` alone, which forgets the former name itself now."""
    now = surface(sales=MART)
    assert surface(orders=MART, sales=MART).under_new_names(now) == (now, {})
    assert surface(orders=MART).with_models(now, ["sales"]) == now


def test_what_the_run_did_not_build_or_read_says_nothing() -> None:
    unread = Surface(models={"orders": ModelSurface(watched=True)})
    assert list(changes(surface(orders=MART), unread)) == []


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    written = Surface(
        live_target="prod",
        models={
            "orders": mart(left_out=["note"], where="id > 0", tolerates="severity: warn"),
            "unwatched": ModelSurface(columns={"on": "text"}),
        },
        seeds=["rates"],
        dye={"raw_orders": ["1", "2", "2", "x: y"]},
        inputs={"raw_orders": ["shop.orders"]},
        intended={"raw": "abc"},
    )
    (tmp_path / SURFACE_FILE).parent.mkdir()
    (tmp_path / SURFACE_FILE).write_text(written.text(), encoding="utf-8")
    assert Surface.accepted(tmp_path) == written
    assert "\n      id: integer\n      total: numeric\n" in written.text(), "a column a line, for a readable diff"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("- a", "it holds no names with values"),
        ("models: [", "expected (?:the )?node content"),
        ("models: {orders: {colums: {}}}", "Extra inputs are not permitted"),
        ("wrong: 1", "Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_no_surface_is_named(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / SURFACE_FILE).parent.mkdir()
    (tmp_path / SURFACE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSurface, match=rf"(?s)surface\.yml cannot be read: .*{why}"):
        Surface.accepted(tmp_path)
