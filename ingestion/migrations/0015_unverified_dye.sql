-- A message that carries dye headers and does not verify is neither a live message nor dye until somebody says so.

create table raw.unverified_dye (
    value bytea,
    message_key bytea,
    dye_run_id bytea,
    dye_ride_number bytea,
    dye_sent_at bytea,
    dye_signature bytea,
    reason text not null check (reason in ('incomplete', 'malformed', 'wrong_signature')),
    topic text not null,
    topic_id uuid not null,
    "partition" int not null,
    "offset" bigint not null,
    message_at timestamptz,
    loaded_at timestamptz not null default now(),
    released_to text check (released_to in ('live', 'dye')),
    released_as uuid,
    released_at timestamptz,
    released_by text,
    primary key (topic_id, "partition", "offset"),
    check (num_nulls(released_to, released_as, released_at, released_by) in (0, 4))
);
comment on table raw.unverified_dye is
'One row per message with dye headers that do not verify, kept apart with all it takes to look at it again.';
comment on column raw.unverified_dye.reason is
'incomplete: a header is missing; malformed: one is not written as the dye''s are; wrong_signature: no known key made it.';
comment on column raw.unverified_dye.dye_run_id is 'The header''s bytes as received; null if there was none.';
comment on column raw.unverified_dye.released_to is 'Where `ingestion unverified-dye release` copied it; null: it waits.';
comment on column raw.unverified_dye.released_as is 'The topic_id of the copy, which models take for a topic of its own.';
create index unverified_dye_waiting on raw.unverified_dye (topic, "partition", "offset") where released_to is null;

grant insert on raw.unverified_dye to taxi_loader;
-- Where and why, never what: the message may be a live one.
grant select (reason, topic, topic_id, "partition", "offset", message_at, loaded_at, released_to, released_at)
on raw.unverified_dye to dbt_prod, angiogram;
grant usage on schema raw to angiogram;

alter table raw.loaders rename column forged_dye to unverified_dye;
comment on table raw.loaders is
'One row per start of a loader: where it runs, which dye keys it accepts, how many dye headers it could not verify.';

drop function raw.loaded_counts(timestamptz);

create function raw.loaded_counts(since timestamptz)
returns table (
    topic text,
    topic_id uuid,
    "partition" int,
    first_offset bigint,
    next_offset bigint,
    rides bigint,
    dead_letters bigint,
    dye bigint,
    unverified_dye bigint,
    gaps bigint,
    empty_offsets bigint
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with messages as (
        select r.topic_id, r."partition", r."offset", 'ride' as kind, r.loaded_at from raw.taxi_rides as r
        union all
        select d.topic_id, d."partition", d."offset", 'dead_letter' as kind, d.loaded_at from raw.dead_letters as d
        union all
        select a.topic_id, a."partition", a."offset", 'dye' as kind, a.loaded_at from angiogram_raw.taxi_rides as a
        union all
        select l.topic_id, l."partition", l."offset", 'dye' as kind, l.loaded_at from angiogram_raw.dead_letters as l
        union all
        select u.topic_id, u."partition", u."offset", 'unverified' as kind, u.loaded_at from raw.unverified_dye as u
        union all
        -- A batch may begin with an offset that holds no message.
        select e.topic_id, e."partition", e.from_offset, 'empty' as kind, e.loaded_at from raw.empty_offsets as e
    ),
    starts as (
        select m.topic_id, m."partition", min(m."offset") as first_offset
        from messages as m
        where m.loaded_at >= since
        group by m.topic_id, m."partition"
    ),
    counts as (
        select
            s.topic_id,
            s."partition",
            s.first_offset,
            count(*) filter (where m.kind = 'ride') as rides,
            count(*) filter (where m.kind = 'dead_letter') as dead_letters,
            count(*) filter (where m.kind = 'dye') as dye,
            count(*) filter (where m.kind = 'unverified') as unverified_dye
        from starts as s
        inner join messages as m
            on s.topic_id = m.topic_id and s."partition" = m."partition" and s.first_offset <= m."offset"
        group by s.topic_id, s."partition", s.first_offset
    )
    select
        o.topic,
        o.topic_id,
        o."partition",
        c.first_offset,
        o.next_offset,
        coalesce(c.rides, 0),
        coalesce(c.dead_letters, 0),
        coalesce(c.dye, 0),
        coalesce(c.unverified_dye, 0),
        coalesce((
            select sum(g.to_offset - greatest(g.from_offset, c.first_offset))
            from raw.gaps as g
            where
                g.topic_id = o.topic_id and g."partition" = o."partition"
                and g.reason = 'deleted_before_loaded' and g.to_offset > c.first_offset
        ), 0)::bigint,
        coalesce((
            select sum(e.empty)
            from raw.empty_offsets as e
            where e.topic_id = o.topic_id and e."partition" = o."partition" and e.from_offset >= c.first_offset
        ), 0)::bigint
    from raw.loaded_offsets as o
    left join counts as c on o.topic_id = c.topic_id and o."partition" = c."partition";
end;
comment on function raw.loaded_counts is
'Per topic and partition what lies from the first offset loaded since a moment on; first_offset is null if there is none.';

revoke execute on function raw.loaded_counts from public;
grant execute on function raw.loaded_counts to dbt_prod;
