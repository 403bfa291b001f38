"""Whose the tables are that the dye target would write, where neither names nor addresses tell: the database is asked.

A live table is never touched, whichever way leads to its database, and whoever forgot to name it.
"""

import os
import secrets
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.core.errors import DbtFailed, NotReady, NotTheDyes
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import opened, run_from_seeds
from angiogram.judge.guards.surface import SURFACE_FILE, ModelSurface, Surface
from angiogram.warehouse.target_relations import examine
from tests.angiogram.shop import APART
from tests.angiogram.test_live_tables import contents, quiet
from tests.services import connect_as_administrator

LIVE_PROFILE = "    live:\n      <<: *postgres\n"
UNREAD = """
    dev:
      <<: *postgres
      schema: dev
    prod:
      <<: *postgres
      user: "{{ env_var('NO_SUCH') }}"
"""
OF_TARGET = "{{ target.schema }}"
ALL_IN_ONE = """
set role angiogram;
create schema {0};
create table {0}.raw_orders as select n as id, n * 7 as cents from generate_series(1, 1000) as n;
create table {0}.orders as select id, cents from {0}.raw_orders where id <= 500;
create table {0}.expected__orders (id integer, cents integer);
insert into {0}.expected__orders values (1, 100), (2, 250);
reset role
"""
"""Live tables in one schema, and an expected seed that a live build left there."""


@contextmanager
def forwarded(host: str, port: int) -> Iterator[int]:
    """A port that leads to a server, as a pooler's or a tunnel's does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends, end = socket.socketpair()

        def forward() -> None:
            with selectors.DefaultSelector() as ready, ends:
                ready.register(server, selectors.EVENT_READ)
                ready.register(ends, selectors.EVENT_READ)
                to: dict[socket.socket, socket.socket] = {}
                while True:
                    for key, _ in ready.select():
                        if key.fileobj is ends:
                            for one in to:
                                one.close()
                            return
                        if key.fileobj is server:
                            here, there = server.accept()[0], socket.create_connection((host, port))
                            to |= {here: there, there: here}
                            ready.register(here, selectors.EVENT_READ)
                            ready.register(there, selectors.EVENT_READ)
                            continue
                        assert isinstance(key.fileobj, socket.socket)
                        if key.fileobj not in to:
                            continue  # its other end has been closed in this round
                        other = to[key.fileobj]
                        if sent := key.fileobj.recv(65536):
                            other.sendall(sent)
                            continue
                        for one in (key.fileobj, other):
                            ready.unregister(one)
                            del to[one]
                            one.close()

        thread = threading.Thread(target=forward)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            end.close()
            thread.join()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def live_at(port: int) -> tuple[str, str]:
    """The change of the profile by which the live target has another port."""
    return LIVE_PROFILE, f"{LIVE_PROFILE}      port: {port}\n"


def without_live(project: Project) -> None:
    """Take the live target out of the profile, as on a machine of CI."""
    file = project.directory / "profiles.yml"
    file.write_text(file.read_text().replace(LIVE_PROFILE, "").replace("target: live", "target: angiogram"))


def accept_as_live(project: Project, *relations: str) -> None:
    """Write an accepted surface that names relations as live."""
    surface = Surface(live_target="live", models={name: ModelSurface(relation=name) for name in relations})
    file = project.directory / SURFACE_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(surface.text())


def test_a_live_table_behind_another_port_of_the_same_database_is_refused_with_names(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Also where an earlier dye run has left expected seeds in schemas of its own."""
    strange.cursor().execute(
        "set role angiogram; create schema expected; create table expected.expected__orders (id int); reset role"
    )
    before = contents(strange)
    with forwarded(os.environ["PGHOST"], int(os.environ["PGPORT"])) as port:
        project = shop(profiles=live_at(port))
        with pytest.raises(NotTheDyes, match=r"marts\.orders \(target live builds it\); .*till\.raw_orders"):
            run_from_seeds(project, 0, quiet)
    assert contents(strange) == before


def test_a_live_target_whose_database_cannot_be_asked_is_not_taken_for_another(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """What exists and is not marked is refused; the dye's own schemas are adopted all the same."""
    strange.cursor().execute(
        "set role angiogram; create schema expected; create table expected.expected__orders (id int); reset role"
    )
    before, said = contents(strange), list[str]()
    profiles = live_at(free_port())
    with pytest.raises(NotTheDyes, match=r"marts\.orders \(target live builds it, perhaps") as refused:
        run_from_seeds(shop(profiles=profiles), 0, said.append)
    assert "comment on schema expected is 'angiogram: dye of shop under target angiogram'" in str(refused.value)
    assert [text.split(" cannot be")[0] for text in said] == ["The database of target live"]
    assert contents(strange) == before

    project = shop(APART, profiles=profiles)
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    strange.cursor().execute("comment on schema angiogram_marts is null")
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    after = contents(strange)
    assert {name: after[name] for name in before} == before


def test_another_database_may_have_the_names_of_the_live_one_and_is_shown_to_be_another(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """What dye runs left before their schemas were marked is adopted if it holds what the dye expects."""
    other = f"live_{secrets.token_hex(6)}"
    strange.cursor().execute("drop schema till cascade; drop schema marts cascade")
    with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
        query.execute(sql.SQL("create database {}").format(sql.Identifier(other)))
        try:
            project = shop(profiles=(LIVE_PROFILE, f"{LIVE_PROFILE}      dbname: {other}\n"))
            accept_as_live(project, "marts.orders")
            assert run_from_seeds(project, 0, quiet).verdict == "blocked"  # the surface of this test names no column
            (project.directory / SURFACE_FILE).unlink()
            with strange.cursor() as marks:
                marks.execute("comment on schema till is null; comment on schema marts is null")
            assert run_from_seeds(project, 0, quiet).verdict == "healthy"
            with strange.cursor() as marks:
                marks.execute("comment on schema marts is null; update marts.orders set cents = 251 where id = 2")
            with pytest.raises(NotTheDyes, match=r"marts\.orders\. Nothing was built"):
                run_from_seeds(project, 0, quiet)
        finally:
            query.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(other)))


@pytest.mark.parametrize(
    ("accepted", "others", "named"),
    [
        pytest.param(
            ["shop.orders"], "", r"shop\.orders \(live in \.angiogram/surface\.yml\)", id="the surface names it"
        ),
        pytest.param([], "", r"shop\.expected__orders, shop\.orders, shop\.raw_orders", id="nothing names it"),
        pytest.param(
            [], UNREAD, r"shop\.expected__orders, shop\.orders, shop\.raw_orders", id="it cannot be read here"
        ),
    ],
)
def test_a_profile_without_the_live_target_does_not_make_a_live_schema_the_dyes(
    strange: connection, shop: Callable[..., Project], accepted: list[str], others: str, named: str
) -> None:
    """Expected seeds that a live build left in it prove nothing."""
    strange.cursor().execute(ALL_IN_ONE.format("shop"))
    project = shop(OF_TARGET)
    without_live(project)
    with (project.directory / "profiles.yml").open("a") as profile:
        profile.write(others)
    if accepted:
        accept_as_live(project, *accepted)
    before = contents(strange)
    with pytest.raises(NotTheDyes, match=named):
        run_from_seeds(project, 0, quiet)
    with pytest.raises(DbtFailed, match=r"shop\.orders"):
        run_in_scratch(project.directory, ["build"], "angiogram", variables="{}")
    assert contents(strange) == before


@pytest.mark.parametrize("live", ["angiogram", "angiogram_shop"])
def test_a_live_schema_whose_name_begins_with_the_dye_targets_by_coincidence_is_not_adopted(
    strange: connection, shop: Callable[..., Project], live: str
) -> None:
    """Where nothing names the live schemas, the one that the profile gives may be live."""
    strange.cursor().execute(ALL_IN_ONE.format(live))
    project = shop(OF_TARGET, profiles=("schema: shop", f"schema: {live}"))
    without_live(project)
    before = contents(strange)
    with pytest.raises(NotTheDyes, match=rf"{live}\.orders"):
        run_from_seeds(project, 0, quiet)
    with pytest.raises(DbtFailed, match=rf"{live}\.orders"):
        run_in_scratch(project.directory, ["build"], "angiogram", variables="{}")
    assert contents(strange) == before


def test_a_dye_without_a_live_target_in_its_profile_passes_again_and_again(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Its schema may have any name; if it is not marked yet, it is known by what its tables hold."""
    project = shop(OF_TARGET)
    without_live(project)
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    strange.cursor().execute("comment on schema shop is null")
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    strange.cursor().execute("comment on schema shop is null; insert into shop.raw_orders select 9, 9")
    with opened(project) as database:
        (schema,) = examine(database, project, None, quiet)
    assert schema.state == "foreign"


def test_names_that_postgresql_cuts_to_that_of_a_live_schema_are_refused(
    strange: connection, shop: Callable[..., Project]
) -> None:
    live = "x" * 60 + "liv"
    strange.cursor().execute(ALL_IN_ONE.format(live))
    project = shop(OF_TARGET)
    file = Path(project.directory / "profiles.yml")
    text = file.read_text().replace("schema: shop", f"schema: {live}_dye")
    file.write_text(text.replace(LIVE_PROFILE, f"{LIVE_PROFILE}      schema: {live}\n"))
    before = contents(strange)
    with pytest.raises(NotTheDyes, match=rf"cuts the schema's name {live}_dye to {live}: shorten it") as refused:
        run_from_seeds(project, 0, quiet)
    assert f"{live}.orders (target live builds it)" in str(refused.value)
    assert contents(strange) == before


def test_a_schema_whose_name_differs_from_a_live_ones_by_case_alone_is_refused(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """dbt would look for the dye's table, find the live one, and fail at that model."""
    names, before = "{{ 'Marts' if target.name == 'angiogram' else 'marts' }}", contents(strange)
    with pytest.raises(NotReady, match=r"takes the dye's schemas for others: Marts \(marts\.orders\)"):
        run_from_seeds(shop(names, profiles=("      schema: shop", "      schema: Shop")), 0, quiet)
    assert contents(strange) == before
    with strange.cursor() as query:
        query.execute('create schema "Other"; create table "Other".sheet as select 1 as one')
    with pytest.raises(NotTheDyes, match='comment on schema "Other" is'):
        run_from_seeds(shop("{{ 'Other' if target.name == 'angiogram' else 'marts' }}"), 0, quiet)


def test_a_function_that_dbt_would_build_under_the_dye_target_stops_dbt_by_hand(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """It may replace a live one."""
    strange.cursor().execute(
        "set role angiogram; create function marts.euros(cents int) returns int return cents / 100; reset role"
    )
    folder = shop(APART).directory
    (folder / "functions").mkdir()
    (folder / "functions" / "euros.sql").write_text("{{ config(schema='marts') }} select cents / 1000")
    (folder / "functions" / "functions.yml").write_text(
        "functions: [{name: euros, arguments: [{name: cents, data_type: int}], returns: {data_type: int}}]"
    )
    with pytest.raises(DbtFailed, match="Target angiogram would build functions: euros"):
        run_in_scratch(folder, ["build"], "angiogram", variables="{}")
    with strange.cursor() as query:
        query.execute("select marts.euros(500), to_regclass('angiogram_marts.orders')")
        assert query.fetchall() == [(5, None)]
