-- What was acknowledged as loaded is accounted for per partition and for ever, in the transaction that loads it.

create table raw.loaded_totals (
    topic_id uuid not null,
    topic text not null,
    "partition" int not null,
    kafka_topic_id uuid not null,
    first_offset bigint not null default 0,
    next_offset bigint not null default 0,
    live_rows bigint not null default 0,
    live_dead_letters bigint not null default 0,
    dye_rows bigint not null default 0,
    dye_dead_letters bigint not null default 0,
    unverified_dye bigint not null default 0,
    gaps bigint not null default 0,
    empty_offsets bigint not null default 0,
    not_counted bigint not null default 0,
    last_offset bigint,
    last_timestamp bigint,
    last_digest bytea,
    marked_at timestamptz,
    marked_offset bigint,
    began_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default now(),
    primary key (topic_id, "partition"),
    constraint every_offset_once check (
        next_offset - first_offset
        = live_rows + live_dead_letters + dye_rows + dye_dead_letters + unverified_dye + gaps + empty_offsets
        + not_counted
    )
);
comment on table raw.loaded_totals is
'What became of every offset of a partition since the first load: each is counted once, or the load is refused.';
comment on column raw.loaded_totals.topic_id is
'Under which its rows are stored: Kafka''s id of the topic, or one of our own after the broker gave offsets out anew.';
comment on column raw.loaded_totals.kafka_topic_id is 'Kafka''s id of the topic that it was read from.';
comment on column raw.loaded_totals.first_offset is 'The first offset counted.';
comment on column raw.loaded_totals.next_offset is 'The next one after those counted.';
comment on column raw.loaded_totals.gaps is 'Offsets passed over that the topic no longer held; raw.gaps says which.';
comment on column raw.loaded_totals.empty_offsets is 'Offsets that hold no message.';
comment on column raw.loaded_totals.not_counted is 'Passed before these totals were kept, and in no table any more when they began.';
comment on column raw.loaded_totals.last_offset is
'The last message loaded, by which a loader sees whether the topic still holds what was loaded from it.';
comment on column raw.loaded_totals.last_timestamp is 'Its time as Kafka has it, in milliseconds.';
comment on column raw.loaded_totals.last_digest is 'A hash of its time, key and value.';
create index loaded_totals_by_kafka_topic on raw.loaded_totals (kafka_topic_id, "partition");

create table raw.loaded_marks (
    topic_id uuid not null,
    "partition" int not null,
    next_offset bigint not null,
    reached_at timestamptz not null,
    live_rows bigint not null,
    live_dead_letters bigint not null,
    dye_rows bigint not null,
    dye_dead_letters bigint not null,
    unverified_dye bigint not null,
    gaps bigint not null,
    empty_offsets bigint not null,
    not_counted bigint not null,
    primary key (topic_id, "partition", next_offset)
);
comment on table raw.loaded_marks is
'The totals of a partition as they were at earlier moments, a minute or 100,000 offsets apart.';

create table raw.taken_away (
    topic_id uuid not null,
    "partition" int not null,
    kind text not null check (
        kind in ('live_rows', 'live_dead_letters', 'dye_rows', 'dye_dead_letters', 'unverified_dye')
    ),
    by_command text not null,
    from_offset bigint not null,
    to_offset bigint not null,
    messages bigint not null,
    last_at timestamptz not null default clock_timestamp(),
    primary key (topic_id, "partition", kind, by_command)
);
comment on table raw.taken_away is 'Messages that were loaded and are stored no more; triggers write it.';
comment on column raw.taken_away.by_command is
'Which command deleted them (retention, prune), or that the loss was accepted; empty: nobody said why.';

-- One gap of a partition is recorded once, and grows with what the topic deletes until it is passed.
create temporary table merged_gaps on commit drop as
with places as (
    select
        g.*,
        max(g.to_offset) over (
            partition by g.topic_id, g."partition", g.reason
            order by g.from_offset, g.to_offset
            rows between unbounded preceding and 1 preceding
        ) as reached
    from raw.gaps as g
),
islands as (
    select
        p.*,
        count(*) filter (where p.reached is null or p.from_offset >= p.reached) over (
            partition by p.topic_id, p."partition", p.reason order by p.from_offset, p.to_offset
        ) as island
    from places as p
)
select
    i.topic_id,
    min(i.topic) as topic,
    i."partition",
    min(i.from_offset) as from_offset,
    max(i.to_offset) as to_offset,
    i.reason,
    min(i.noticed_at) as noticed_at
from islands as i
group by i.topic_id, i."partition", i.reason, i.island;

delete from raw.gaps;
alter table raw.gaps
drop constraint gaps_reason_check,
add constraint gaps_reason_check check (
    reason in ('deleted_before_loaded', 'stored_offset_beyond_end', 'lost_by_broker', 'corrupt')
),
add column passed_at timestamptz,
add column continued_as uuid,
drop constraint gaps_pkey,
add primary key (topic_id, "partition", from_offset, reason);
create unique index gaps_once on raw.gaps (topic_id, "partition", from_offset)
where reason in ('deleted_before_loaded', 'corrupt');
insert into raw.gaps (topic_id, topic, "partition", from_offset, to_offset, reason, noticed_at, passed_at)
select
    m.topic_id,
    m.topic,
    m."partition",
    m.from_offset,
    m.to_offset,
    m.reason,
    m.noticed_at,
    case when o.next_offset >= m.to_offset then o.updated_at end
from merged_gaps as m
left join raw.loaded_offsets as o on m.topic_id = o.topic_id and m."partition" = o."partition";
comment on column raw.gaps.reason is
'deleted_before_loaded: the topic deleted them; corrupt: nobody can read them; lost_by_broker: they are stored, but the
broker lost them and may give them out anew; stored_offset_beyond_end: the same, as earlier versions recorded it.';
comment on column raw.gaps.passed_at is 'When the loader went on behind it; null: not yet.';
comment on column raw.gaps.continued_as is 'lost_by_broker: the topic_id of what the broker gives out anew.';

create function raw.refuse_overlapping_gaps()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from raw.gaps as g
        where
            g.topic_id = new.topic_id and g."partition" = new."partition" and g.from_offset <> new.from_offset
            and g.from_offset < new.to_offset and g.to_offset > new.from_offset
            and (g.reason in ('deleted_before_loaded', 'corrupt')) = (new.reason in ('deleted_before_loaded', 'corrupt'))
    ) then
        raise exclusion_violation using message = format(
            'gap %s to %s of topic %s, partition %s, overlaps one that is recorded',
            new.from_offset, new.to_offset, new.topic, new."partition"
        );
    end if;
    return new;
end;
$$;
create trigger no_overlap before insert or update on raw.gaps
for each row execute function raw.refuse_overlapping_gaps();

alter table raw.loaded_offsets add column stored_as uuid;
update raw.loaded_offsets set stored_as = topic_id;
alter table raw.loaded_offsets alter column stored_as set not null;
comment on column raw.loaded_offsets.stored_as is 'The topic_id of the rows, as in raw.loaded_totals.';

insert into raw.loaded_totals (
    topic_id, topic, "partition", kafka_topic_id, next_offset, live_rows, live_dead_letters, dye_rows, dye_dead_letters,
    unverified_dye, gaps, empty_offsets, not_counted, updated_at
)
select
    o.topic_id,
    o.topic,
    o."partition",
    o.topic_id,
    o.next_offset,
    c.live_rows,
    c.live_dead_letters,
    c.dye_rows,
    c.dye_dead_letters,
    c.unverified_dye,
    c.gaps,
    c.empty_offsets,
    o.next_offset - c.live_rows - c.live_dead_letters - c.dye_rows - c.dye_dead_letters - c.unverified_dye - c.gaps
    - c.empty_offsets,
    o.updated_at
from raw.loaded_offsets as o
cross join lateral (
    select
        (
            select count(*) from raw.taxi_rides as r
            where r.topic_id = o.topic_id and r."partition" = o."partition"
        ) as live_rows,
        (
            select count(*) from raw.dead_letters as l
            where l.topic_id = o.topic_id and l."partition" = o."partition"
        ) as live_dead_letters,
        (
            select count(*) from angiogram_raw.taxi_rides as r
            where r.topic_id = o.topic_id and r."partition" = o."partition"
        ) as dye_rows,
        (
            select count(*) from angiogram_raw.dead_letters as l
            where l.topic_id = o.topic_id and l."partition" = o."partition"
        ) as dye_dead_letters,
        (
            select count(*) from raw.unverified_dye as u
            where u.topic_id = o.topic_id and u."partition" = o."partition"
        ) as unverified_dye,
        (
            select coalesce(sum(g.to_offset - g.from_offset), 0)::bigint from raw.gaps as g
            where
                g.topic_id = o.topic_id and g."partition" = o."partition" and g.reason = 'deleted_before_loaded'
                and g.to_offset <= o.next_offset
        ) as gaps,
        (
            select coalesce(sum(e.empty), 0)::bigint from raw.empty_offsets as e
            where e.topic_id = o.topic_id and e."partition" = o."partition"
        ) as empty_offsets
) as c;

-- A row that is deleted is noted, whoever deletes it; a command that may says so in the setting ingestion.taken_by.
create function raw.note_deleted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into raw.taken_away as a (topic_id, "partition", kind, by_command, from_offset, to_offset, messages)
    select
        gone.topic_id,
        gone."partition",
        tg_argv[0],
        coalesce(current_setting('ingestion.taken_by', true), ''),
        min(gone."offset"),
        max(gone."offset") + 1,
        count(*)
    from gone
    inner join raw.loaded_totals as t on gone.topic_id = t.topic_id and gone."partition" = t."partition"
    group by gone.topic_id, gone."partition"
    on conflict (topic_id, "partition", kind, by_command) do update set
        from_offset = least(a.from_offset, excluded.from_offset),
        to_offset = greatest(a.to_offset, excluded.to_offset),
        messages = a.messages + excluded.messages,
        last_at = clock_timestamp();
    return null;
end;
$$;

create function raw.note_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into raw.taken_away as a (topic_id, "partition", kind, by_command, from_offset, to_offset, messages)
    select
        t.topic_id,
        t."partition",
        tg_argv[0],
        coalesce(current_setting('ingestion.taken_by', true), ''),
        t.first_offset,
        t.next_offset,
        t.stored - t.taken
    from (
        select
            totals.*,
            (to_jsonb(totals) ->> tg_argv[0])::bigint as stored,
            (
                select coalesce(sum(before.messages), 0)::bigint
                from raw.taken_away as before
                where
                    before.topic_id = totals.topic_id and before."partition" = totals."partition"
                    and before.kind = tg_argv[0]
            ) as taken
        from raw.loaded_totals as totals
    ) as t
    where t.stored > t.taken
    on conflict (topic_id, "partition", kind, by_command) do update set
        from_offset = least(a.from_offset, excluded.from_offset),
        to_offset = greatest(a.to_offset, excluded.to_offset),
        messages = a.messages + excluded.messages,
        last_at = clock_timestamp();
    return null;
end;
$$;

create trigger note_deleted after delete on raw.taxi_rides referencing old table as gone
for each statement execute function raw.note_deleted('live_rows');
create trigger note_deleted after delete on raw.dead_letters referencing old table as gone
for each statement execute function raw.note_deleted('live_dead_letters');
create trigger note_deleted after delete on angiogram_raw.taxi_rides referencing old table as gone
for each statement execute function raw.note_deleted('dye_rows');
create trigger note_deleted after delete on angiogram_raw.dead_letters referencing old table as gone
for each statement execute function raw.note_deleted('dye_dead_letters');
create trigger note_deleted after delete on raw.unverified_dye referencing old table as gone
for each statement execute function raw.note_deleted('unverified_dye');
create trigger note_truncated after truncate on raw.taxi_rides
for each statement execute function raw.note_truncated('live_rows');
create trigger note_truncated after truncate on raw.dead_letters
for each statement execute function raw.note_truncated('live_dead_letters');
create trigger note_truncated after truncate on angiogram_raw.taxi_rides
for each statement execute function raw.note_truncated('dye_rows');
create trigger note_truncated after truncate on angiogram_raw.dead_letters
for each statement execute function raw.note_truncated('dye_dead_letters');
create trigger note_truncated after truncate on raw.unverified_dye
for each statement execute function raw.note_truncated('unverified_dye');
revoke execute on function raw.note_deleted, raw.note_truncated from public;

create function raw.highest_stored(of_topic uuid, of_partition int)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select
        greatest(
            (
                select max(r."offset") from raw.taxi_rides as r
                where r.topic_id = of_topic and r."partition" = of_partition
            ),
            (
                select max(l."offset") from raw.dead_letters as l
                where l.topic_id = of_topic and l."partition" = of_partition
            ),
            (
                select max(r."offset") from angiogram_raw.taxi_rides as r
                where r.topic_id = of_topic and r."partition" = of_partition
            ),
            (
                select max(l."offset") from angiogram_raw.dead_letters as l
                where l.topic_id = of_topic and l."partition" = of_partition
            ),
            (
                select max(u."offset") from raw.unverified_dye as u
                where u.topic_id = of_topic and u."partition" = of_partition
            )
        );
end;
comment on function raw.highest_stored is 'The highest offset of a partition that is in any of the tables that the loader fills.';

-- A loader that finds another message where its last one was looks for the first that differs. It may not read what is
-- stored: it is told a hash.
create function raw.stored_hash(of_topic uuid, of_partition int, from_offset bigint, up_to_offset bigint)
returns table ("offset" bigint, message_hash text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with places as (
        select max(r."offset") as highest, 1 as kind from raw.taxi_rides as r
        where
            r.topic_id = of_topic and r."partition" = of_partition
            and r."offset" between from_offset and up_to_offset
        union all
        select max(r."offset"), 2 from angiogram_raw.taxi_rides as r
        where
            r.topic_id = of_topic and r."partition" = of_partition
            and r."offset" between from_offset and up_to_offset
        union all
        select max(l."offset"), 3 from raw.dead_letters as l
        where
            l.topic_id = of_topic and l."partition" = of_partition
            and l."offset" between from_offset and up_to_offset
        union all
        select max(l."offset"), 4 from angiogram_raw.dead_letters as l
        where
            l.topic_id = of_topic and l."partition" = of_partition
            and l."offset" between from_offset and up_to_offset
        union all
        select max(u."offset"), 5 from raw.unverified_dye as u
        where
            u.topic_id = of_topic and u."partition" = of_partition
            and u."offset" between from_offset and up_to_offset
    ),
    nearest as (
        select p.highest, p.kind from places as p where p.highest is not null order by p.highest desc limit 1
    ),
    found as (
        select
            n.highest,
            r.message_at,
            convert_to(array_to_string(array[
                r.taxi_id, r.pax_id, r.start_time, r.end_time, r.pickup_zipcode, r.dropoff_zipcode, r.tax_amount,
                r.fare_amount, r.currency, r.car_model, r.unknown_fields
            ], e'\x1f', e'\x1e'), 'utf8') as content
        from nearest as n
        inner join lateral (
            select
                a.message_at, a.taxi_id, a.pax_id, a.start_time, a.end_time, a.pickup_zipcode, a.dropoff_zipcode,
                a.tax_amount, a.fare_amount, a.currency, a.car_model, a.unknown_fields
            from raw.taxi_rides as a
            where n.kind = 1 and a.topic_id = of_topic and a."partition" = of_partition and a."offset" = n.highest
            union all
            select
                b.message_at, b.taxi_id, b.pax_id, b.start_time, b.end_time, b.pickup_zipcode, b.dropoff_zipcode,
                b.tax_amount, b.fare_amount, b.currency, b.car_model, b.unknown_fields
            from angiogram_raw.taxi_rides as b
            where n.kind = 2 and b.topic_id = of_topic and b."partition" = of_partition and b."offset" = n.highest
        ) as r on true
        union all
        select n.highest, l.message_at, coalesce(l.value, ''::bytea)
        from nearest as n
        inner join lateral (
            select c.message_at, c.value from raw.dead_letters as c
            where n.kind = 3 and c.topic_id = of_topic and c."partition" = of_partition and c."offset" = n.highest
            union all
            select d.message_at, d.value from angiogram_raw.dead_letters as d
            where n.kind = 4 and d.topic_id = of_topic and d."partition" = of_partition and d."offset" = n.highest
            union all
            select e.message_at, e.value from raw.unverified_dye as e
            where n.kind = 5 and e.topic_id = of_topic and e."partition" = of_partition and e."offset" = n.highest
        ) as l on true
    )
    select
        f.highest,
        md5(convert_to(coalesce(round(extract(epoch from f.message_at) * 1000)::bigint::text, '-') || '|', 'utf8') || f.content)
    from found as f;
end;
comment on function raw.stored_hash is
'The highest message stored in a range of offsets, as a hash of its time and of what is stored of it; none if there is none.';

create function raw.is_stored(of_topic uuid, of_partition int, at_offset bigint)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select
        exists (
            select from raw.taxi_rides as r
            where r.topic_id = of_topic and r."partition" = of_partition and r."offset" = at_offset
        )
        or exists (
            select from raw.dead_letters as l
            where l.topic_id = of_topic and l."partition" = of_partition and l."offset" = at_offset
        )
        or exists (
            select from angiogram_raw.taxi_rides as r
            where r.topic_id = of_topic and r."partition" = of_partition and r."offset" = at_offset
        )
        or exists (
            select from angiogram_raw.dead_letters as l
            where l.topic_id = of_topic and l."partition" = of_partition and l."offset" = at_offset
        )
        or exists (
            select from raw.unverified_dye as u
            where u.topic_id = of_topic and u."partition" = of_partition and u."offset" = at_offset
        );
end;
comment on function raw.is_stored is 'Whether a message is in any of the tables that the loader fills.';

create function raw.missing_messages(of_topic uuid, of_partition int)
returns table (kind text, missing bigint, from_offset bigint, to_offset bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with totals as (
        select t.* from raw.loaded_totals as t where t.topic_id = of_topic and t."partition" = of_partition
    ),
    counted as (
        select 'live_rows' as kind, t.live_rows as loaded, (
            select count(*) from raw.taxi_rides as r where r.topic_id = of_topic and r."partition" = of_partition
        ) as stored
        from totals as t
        union all
        select 'live_dead_letters', t.live_dead_letters, (
            select count(*) from raw.dead_letters as l where l.topic_id = of_topic and l."partition" = of_partition
        )
        from totals as t
        union all
        select 'dye_rows', t.dye_rows, (
            select count(*) from angiogram_raw.taxi_rides as r
            where r.topic_id = of_topic and r."partition" = of_partition
        )
        from totals as t
        union all
        select 'dye_dead_letters', t.dye_dead_letters, (
            select count(*) from angiogram_raw.dead_letters as l
            where l.topic_id = of_topic and l."partition" = of_partition
        )
        from totals as t
        union all
        select 'unverified_dye', t.unverified_dye, (
            select count(*) from raw.unverified_dye as u where u.topic_id = of_topic and u."partition" = of_partition
        )
        from totals as t
    )
    select
        c.kind,
        c.loaded - c.stored - coalesce((
            select sum(a.messages) from raw.taken_away as a
            where a.topic_id = of_topic and a."partition" = of_partition and a.kind = c.kind and a.by_command <> ''
        ), 0)::bigint,
        t.first_offset,
        t.next_offset
    from counted as c
    cross join totals as t;
end;
comment on function raw.missing_messages is
'What was loaded of a partition, by kind, less what is stored and what commands took away. Counts the whole partition.';

-- A loader that does not find its last message asks what else is missing, so that it is known for ever.
create function raw.note_missing(of_topic uuid, of_partition int)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    noted bigint;
begin
    if exists (
        select from raw.loaded_totals as t
        where
            t.topic_id = of_topic and t."partition" = of_partition
            and (
                t.last_offset is null
                or raw.is_stored(of_topic, of_partition, t.last_offset)
                or exists (
                    select from raw.taken_away as a
                    where a.topic_id = of_topic and a."partition" = of_partition and a.to_offset > t.last_offset
                )
            )
    ) then
        return 0;
    end if;
    with missing as (
        select m.* from raw.missing_messages(of_topic, of_partition) as m where m.missing > 0
    ),
    told as (
        insert into raw.taken_away as a (topic_id, "partition", kind, by_command, from_offset, to_offset, messages)
        select of_topic, of_partition, m.kind, '', m.from_offset, m.to_offset, m.missing from missing as m
        on conflict (topic_id, "partition", kind, by_command) do update set
            from_offset = excluded.from_offset,
            to_offset = excluded.to_offset,
            messages = excluded.messages,
            last_at = clock_timestamp()
        returning a.messages
    )
    select coalesce(sum(told.messages), 0) into noted from told;
    return noted;
end;
$$;
comment on function raw.note_missing is
'Records what is missing of a partition whose last message is not stored, and says how much that is.';

drop function raw.loaded_counts(timestamptz);

create function raw.loaded_counts(since timestamptz)
returns table (
    topic text,
    topic_id uuid,
    kafka_topic_id uuid,
    "partition" int,
    from_offset bigint,
    passed bigint,
    live_rows bigint,
    dead_letters bigint,
    dye bigint,
    unverified_dye bigint,
    gaps bigint,
    empty_offsets bigint,
    taken_away bigint,
    acknowledged bigint,
    lost bigint,
    last_is_stored boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with taken as (
        select
            a.topic_id,
            a."partition",
            coalesce(sum(a.messages) filter (where a.by_command <> ''), 0)::bigint as by_command,
            coalesce(sum(a.messages) filter (where a.by_command = ''), 0)::bigint as unexplained,
            max(a.to_offset) filter (where a.by_command <> '') as to_offset
        from raw.taken_away as a
        group by a.topic_id, a."partition"
    ),
    starts as (
        select
            t.topic,
            t.topic_id,
            t.kafka_topic_id,
            t."partition",
            t.next_offset,
            t.live_rows + t.live_dead_letters + t.dye_rows + t.dye_dead_letters + t.unverified_dye as acknowledged,
            -- Looking back beyond what a command took away, everything is counted.
            coalesce(m.next_offset, t.first_offset) as from_offset,
            t.gaps - coalesce(m.gaps, 0) as gaps,
            t.empty_offsets - coalesce(m.empty_offsets, 0) as empty_offsets,
            t.not_counted - coalesce(m.not_counted, 0) as not_counted,
            case when m.next_offset is null then coalesce(k.by_command, 0) else 0 end as taken_away,
            coalesce(k.unexplained, 0) as lost,
            t.last_offset is null
            or coalesce(k.to_offset > t.last_offset, false)
            or raw.is_stored(t.topic_id, t."partition", t.last_offset) as last_is_stored
        from raw.loaded_totals as t
        left join taken as k on t.topic_id = k.topic_id and t."partition" = k."partition"
        left join lateral (
            select s.next_offset, s.gaps, s.empty_offsets, s.not_counted
            from raw.loaded_marks as s
            where
                s.topic_id = t.topic_id and s."partition" = t."partition" and s.reached_at <= since
                and s.next_offset >= coalesce(k.to_offset, 0)
            union all
            -- Nothing was loaded since.
            select t.next_offset, t.gaps, t.empty_offsets, t.not_counted
            where t.updated_at <= since and t.next_offset >= coalesce(k.to_offset, 0)
            order by next_offset desc
            limit 1
        ) as m on true
    )
    select
        s.topic,
        s.topic_id,
        s.kafka_topic_id,
        s."partition",
        s.from_offset,
        s.next_offset - s.from_offset - s.not_counted,
        (
            select count(*) from raw.taxi_rides as r
            where r.topic_id = s.topic_id and r."partition" = s."partition" and r."offset" >= s.from_offset
        ),
        (
            select count(*) from raw.dead_letters as l
            where l.topic_id = s.topic_id and l."partition" = s."partition" and l."offset" >= s.from_offset
        ),
        (
            select count(*) from angiogram_raw.taxi_rides as r
            where r.topic_id = s.topic_id and r."partition" = s."partition" and r."offset" >= s.from_offset
        ) + (
            select count(*) from angiogram_raw.dead_letters as l
            where l.topic_id = s.topic_id and l."partition" = s."partition" and l."offset" >= s.from_offset
        ),
        (
            select count(*) from raw.unverified_dye as u
            where u.topic_id = s.topic_id and u."partition" = s."partition" and u."offset" >= s.from_offset
        ),
        s.gaps,
        s.empty_offsets,
        s.taken_away,
        s.acknowledged,
        s.lost,
        s.last_is_stored
    from starts as s;
end;
comment on function raw.loaded_counts is
'Per partition what is stored of the offsets loaded since a moment, and, in constant time, whether anything loaded ever is lost.';

revoke execute on function raw.is_stored, raw.highest_stored, raw.stored_hash, raw.missing_messages, raw.note_missing, raw.loaded_counts
from public;
grant execute on function raw.highest_stored, raw.stored_hash, raw.note_missing to taxi_loader;
grant execute on function raw.loaded_counts to dbt_prod;
grant select, insert, update on raw.loaded_totals to taxi_loader;
grant select, insert on raw.loaded_marks to taxi_loader;
grant update on raw.gaps to taxi_loader;
grant select on raw.loaded_totals, raw.gaps, raw.taken_away to dbt_prod, angiogram;
