-- Offsets that hold no message: the markers of Kafka's transactions, what was aborted, what was compacted away. The live
-- checkpoint took them for lost.

create table raw.empty_offsets (
    topic_id uuid not null,
    "partition" int not null,
    from_offset bigint not null,
    to_offset bigint not null,
    empty bigint not null check (empty > 0),
    loaded_at timestamptz not null default now(),
    primary key (topic_id, "partition", from_offset)
);
comment on table raw.empty_offsets is
'One row per batch and partition whose offsets do not all hold a message, written in the transaction of its rows.';
comment on column raw.empty_offsets.from_offset is 'The first offset that the batch read.';
comment on column raw.empty_offsets.to_offset is 'The next one after it.';
comment on column raw.empty_offsets.empty is 'How many of them hold no message.';

grant insert on raw.empty_offsets to taxi_loader;

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
            count(*) filter (where m.kind = 'dye') as dye
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
