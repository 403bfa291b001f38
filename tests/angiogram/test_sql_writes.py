"""What a statement writes by name."""

import pytest

from angiogram.dbt.hooks.sql_writes import writes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("insert into a.b (x) select 1 from c.d", ["insert into a.b"]),
        ('update "db"."A".b as t set x = 1 from c.d', ["update A.b"]),
        ("delete from only a.b using c.d", ["delete from a.b"]),
        ("TRUNCATE TABLE a.b, a.c restart identity", ["truncate a.b", "truncate a.c"]),
        ("drop view if exists a.b, c.d cascade", ["drop a.b", "drop c.d"]),
        ("alter table if exists a.b add column x int", ["alter a.b"]),
        ("alter table a.b owner to x", ["alter a.b"]),
        ("merge into a.b using c.d on true when matched then update set x = 1", ["merge into a.b"]),
        ("with gone as (delete from a.b returning *) select * from gone", ["delete from a.b"]),
        ("with x as (select 1) update a.b set x = 1", ["update a.b"]),
        ("insert into a.b select 1 on conflict (x) do update set x = 2", ["insert into a.b"]),
        ("select 1 into a.b from c.d", ["select a.b"]),
        ("copy a.b (x) from '/tmp/x'", ["copy a.b"]),
        ("copy a.b to '/tmp/x'", []),
        ("create or replace function a.f(n int) returns int language sql as 'delete from x.y'", ["create a.f"]),
        ("create materialized view a.b as select 1", ["create a.b"]),
        ("create unique index if not exists i on a.b (x)", ["create a.b"]),
        ("create trigger t after update on a.b execute function f()", ["create a.b"]),
        ("create schema if not exists a; drop schema b cascade", ["create schema a", "drop schema b"]),
        ("create temp table t as select 1", ["create t"]),
        ("do $$ begin if true then delete from a.b; end if; end $$", ["delete from a.b"]),
        ("grant select on a.b to c; analyze a.b; vacuum a.b", []),
        (
            "comment on table a.b is 'delete from a.b'; comment on column a.b.c is null",
            ["comment on a.b", "comment on a.b"],
        ),
        ("revoke select on a.b from c; revoke all on schema a from c", ["revoke a.b", "revoke schema a"]),
        ("drop index concurrently if exists a.i; alter index a.i rename to j", ["drop a.i", "alter a.i"]),
        ("drop trigger if exists t on a.b; drop policy p on a.b", ["drop a.b", "drop a.b"]),
        ("set search_path to a, c; delete from b; create temp table t as select 1", ["delete from a.b", "create t"]),
        ("set local search_path = 'x'; set work_mem to default; delete from b", ["delete from b"]),
        ("select * from a.b for update; select 'insert into a.b'; -- delete from a.b\nselect 1", []),
        ("create extension if not exists x schema a; set search_path to a; lock table a.b", []),
    ],
)
def test_a_statement_names_what_it_writes(text: str, told: list[str]) -> None:
    assert [str(write) for write in writes(text)] == told
