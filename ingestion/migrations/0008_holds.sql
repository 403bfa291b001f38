-- The switch by which the published marts stay as they are while the last verdict is blocked.

create table angiogram.holds (
    hold_id bigint generated always as identity primary key,
    is_on boolean not null,
    reason text not null check (reason <> ''),
    made_by text not null,
    made_at timestamptz not null default clock_timestamp()
);
comment on table angiogram.holds is 'One row per turn of the switch; the last one counts. Without any it is off.';

create function angiogram.held_because(moment timestamptz)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select
        format(
            'the verdict of run %s is blocked at %s, and the hold is on (%s: %s)',
            judged.run_id, array_to_string(judged.blockage, ', '), switch.made_by, switch.reason
        )
    from (
        select is_on, reason, made_by
        from angiogram.holds
        where made_at <= moment
        order by hold_id desc
        limit 1
    ) as switch
    cross join (
        select run_id, verdict, blockage
        from angiogram.runs
        where verdict in ('healthy', 'blocked') and finished_at <= moment
        order by finished_at desc
        limit 1
    ) as judged
    where switch.is_on and judged.verdict = 'blocked';
end;
comment on function angiogram.held_because is
'Why the marts are held at a moment; null if they are not. A dbt command asks for one: all marts are held or none.';

revoke execute on function angiogram.held_because from public;
grant execute on function angiogram.held_because to dbt_prod, angiogram;
grant select, insert on angiogram.holds to angiogram;
grant select on angiogram.holds to marts_reader;
