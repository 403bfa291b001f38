"""Mistakes in the loader's routing are made in its own source, run on the dye's bytes, and seen."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.routing.doses import OTHER_HEADERS
from angiogram.sensitivity.routing.mutants import RoutingMutant, routing_mutants
from angiogram.sensitivity.routing.routing import RoutingBench, told_apart_by_routing
from angiogram.sensitivity.witnesses.survivors import read_equivalent
from angiogram.warehouse.sessions import open_sessions
from ingestion.loader.batch import Batch
from tests.angiogram.sensitivity.conftest import TAXI

SIGNED = "hmac.compare_digest(signature(key, run_id, number, sent_at, value or b''), signed)"


@pytest.fixture(scope="module")
def mutants() -> list[RoutingMutant]:
    """All mutants of the routing."""
    return list(routing_mutants())


@pytest.fixture(scope="module")
def bench(database: str) -> Iterator[RoutingBench]:
    """The dye before the loader, with a session of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_PROFILES_DIR", str(TAXI))
        compile_project(TAXI)  # reads the profile, as every pass does first
        (session,) = open_sessions(TAXI, "angiogram", 1)
    with closing(session):
        yield RoutingBench(session)


def the(mutants: list[RoutingMutant], before: str, after: str) -> RoutingMutant:
    """The first mutant with this change."""
    return next(m for m in mutants if (m.mutant.before, m.mutant.after) == (before, after))


def test_the_loader_as_it_is_stores_the_dye_as_the_seeds_say(bench: RoutingBench) -> None:
    assert bench.outcome(Batch).how == "survived"


@pytest.mark.parametrize(
    ("before", "after", "surroundings"),
    [
        pytest.param("DYE_ROWS", "LIVE_ROWS", None, id="dye to live"),
        pytest.param("LIVE_ROWS", "DYE_ROWS", OTHER_HEADERS, id="live to dye"),
        pytest.param(
            SIGNED,
            "True",
            OTHER_HEADERS,
            id="unsigned dye",
        ),
        pytest.param("keys", "list(keys)[:-1]", OTHER_HEADERS, id="the first key alone"),
        pytest.param("records", "list(records)[1:]", None, id="a message lost"),
        pytest.param("not value", "False", None, id="no dead letter of an empty message"),
        pytest.param("record.value", "(record.value or b'')[:-1]", OTHER_HEADERS, id="a message kept apart cut short"),
        pytest.param("UNVERIFIED", "LIVE_ROWS", OTHER_HEADERS, id="unverified dye to live"),
        pytest.param(
            "Unverified.MALFORMED", "Unverified.WRONG_SIGNATURE", OTHER_HEADERS, id="kept apart for another reason"
        ),
        pytest.param("Reason.NOT_AN_OBJECT", "Reason.TOO_DEEP", None, id="another reason"),
    ],
)
def test_a_mistake_in_the_routing_is_seen(
    bench: RoutingBench, mutants: list[RoutingMutant], before: str, after: str, surroundings: str | None
) -> None:
    outcome = bench.run(the(mutants, before, after))
    assert (outcome.seen_by, outcome.surroundings) == ("loader", surroundings)


def test_every_mistake_in_the_routing_is_seen_but_the_equivalent(
    bench: RoutingBench, mutants: list[RoutingMutant]
) -> None:
    survivors = {m.mutant.id for m in mutants if bench.run(m).how == "survived"}
    assert survivors == {name for name in read_equivalent(TAXI, "postgres") if name.startswith("loader-")}


def test_a_survivor_that_routes_some_message_otherwise_is_a_blind_spot(mutants: list[RoutingMutant]) -> None:
    """Random messages tell dye taken for live from the loader as it is, and name a message; a cache they do not."""
    forged = the(mutants, "DYE_ROWS", "LIVE_ROWS")
    cache = the(mutants, "record.timestamp != timestamp", "True")
    [(found, words)] = told_apart_by_routing([forged, cache], TAXI).items()
    assert found == forged.mutant.id
    assert "dye-signature" in words


def test_the_loader_that_is_imported_stays_as_it_is(bench: RoutingBench, mutants: list[RoutingMutant]) -> None:
    made = {m.batch_class() for m in mutants}
    assert Batch not in made
    assert bench.outcome(Batch).how == "survived"


def test_ids_are_stable_and_of_one_mutant_each(mutants: list[RoutingMutant]) -> None:
    again = [m.mutant.id for m in routing_mutants()]
    assert again == [m.mutant.id for m in mutants]
    assert len(set(again)) == len(again)
