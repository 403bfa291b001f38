-- Several pipelines keep raw rows of their streams in one database. What all of them share says of which stream it is,
-- by the name of the stream's raw table: dead letters, unverified dye, files and the topics loaded.

-- A session says in the setting `angiogram.raw_table` which stream it works for: '-' for a pipeline without any, nothing
-- for all, as a dashboard's session does. Rows without a name, such as those of an earlier version's loader, belong to
-- every stream. What is stored by now belongs to the stream of the pipeline that migrates.

create function raw.stream_of_session()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
return coalesce(nullif(current_setting('angiogram.raw_table', true), '-'), '');
comment on function raw.stream_of_session is 'The raw table of the stream that this session works for; empty if none.';

create function raw.is_of_session(raw_table text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
return coalesce(current_setting('angiogram.raw_table', true), '') in ('', raw_table)
or (raw_table = '' and current_setting('angiogram.raw_table', true) <> '-');
comment on function raw.is_of_session is 'Whether a row of this raw table is one of those that this session works for.';

alter table raw.unverified_dye add column raw_table text not null default raw.stream_of_session();
alter table raw.dead_letters add column raw_table text not null default raw.stream_of_session();
alter table angiogram_raw.dead_letters add column raw_table text not null default raw.stream_of_session();
alter table raw.loaded_files add column raw_table text not null default raw.stream_of_session();
alter table raw.loaded_totals add column raw_table text not null default raw.stream_of_session();
comment on column raw.unverified_dye.raw_table is 'The raw table of its stream; empty: a loader of before 0028 kept it.';
comment on column raw.dead_letters.raw_table is 'The raw table of its stream; empty: a loader of before 0028 kept it.';
comment on column angiogram_raw.dead_letters.raw_table is
'The raw table of its stream; empty: a loader of before 0028 kept it.';
comment on column raw.loaded_files.raw_table is 'Where its rows went; empty: loaded by a command of before 0028.';
comment on column raw.loaded_totals.raw_table is 'Where its rows go; empty: a loader of before 0028 began it.';

create function raw.topic_is_of_session(of_topic uuid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
    select not exists (
        select from raw.loaded_totals as t
        where of_topic in (t.topic_id, t.kafka_topic_id) and not raw.is_of_session(t.raw_table)
    );
end;
comment on function raw.topic_is_of_session is
'Whether a topic, by its id, is none that another stream loads; one that was never loaded may be of any.';

grant select (raw_table) on raw.unverified_dye to dbt_prod, angiogram;

create or replace function raw.forget_files(of_day date, kept uuid [])
returns table (files bigint, rides bigint, dead_letters bigint)
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive staying as (
        select k.topic_id
        from unnest(kept) as k (topic_id)
        union
        select f.continues as topic_id
        from raw.loaded_files as f
        inner join staying as s on f.topic_id = s.topic_id
        where f.continues is not null
    ),
    unasked as (
        delete from raw.file_days
        where
            day = of_day
            and topic_id not in (select s.topic_id from staying as s)
            and topic_id in (select f.topic_id from raw.loaded_files as f where raw.is_of_session(f.raw_table))
        returning topic_id
    ),
    gone as (
        delete from raw.loaded_files as f
        where
            f.topic_id in (select u.topic_id from unasked as u)
            and not exists (
                select from raw.file_days as d where d.topic_id = f.topic_id and d.day is distinct from of_day
            )
        returning f.topic_id
    ),
    gone_rides as (
        delete from raw.taxi_rides
        where topic_id in (select g.topic_id from gone as g) and starts_with(topic, 'file:')
        returning 1
    ),
    gone_letters as (
        delete from raw.dead_letters
        where topic_id in (select g.topic_id from gone as g) and starts_with(topic, 'file:')
        returning 1
    )
    select
        (select count(*) from gone),
        (select count(*) from gone_rides),
        (select count(*) from gone_letters);
end;
