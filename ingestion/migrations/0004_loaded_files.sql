-- Files of rides that `ingestion bulk-load` loaded, known by their content, and how the rows of a day are taken away.

create table raw.loaded_files (
    topic_id uuid primary key,
    path text not null,
    day date,
    bytes bigint not null,
    rides bigint not null,
    dead_letters bigint not null,
    load_id uuid not null,
    loaded_at timestamptz not null default clock_timestamp()
);
comment on table raw.loaded_files is 'One row per file loaded, written in the transaction of its rows.';
comment on column raw.loaded_files.topic_id is 'The first 16 bytes of the SHA-256 of its content.';
comment on column raw.loaded_files.path is 'Where it lay below the folder that was loaded.';
comment on column raw.loaded_files.day is 'The day that its path names; null if none.';
comment on column raw.loaded_files.load_id is 'The start of the command that loaded it.';
create index loaded_files_by_day on raw.loaded_files (day);
create index loaded_files_by_load on raw.loaded_files (load_id);

grant select, insert on raw.loaded_files to taxi_loader;
grant select on raw.loaded_files to dbt_dev, dbt_prod;

-- The loader may not delete. This one thing it may: take away the files of a day, and never a message of the topic,
-- whatever it has written into loaded_files: no topic of Kafka has a colon in its name.
create function raw.forget_files(of_day date, kept uuid [])
returns table (files bigint, rides bigint, dead_letters bigint)
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with gone as (
        delete from raw.loaded_files
        where day = of_day and topic_id <> all(kept)
        returning topic_id
    ),
    gone_rides as (
        delete from raw.taxi_rides
        where topic_id in (select topic_id from gone) and starts_with(topic, 'file:')
        returning 1
    ),
    gone_letters as (
        delete from raw.dead_letters
        where topic_id in (select topic_id from gone) and starts_with(topic, 'file:')
        returning 1
    )
    select
        (select count(*) from gone),
        (select count(*) from gone_rides),
        (select count(*) from gone_letters);
end;
comment on function raw.forget_files is
'Takes away the files of a day but for those kept, with their rows; says how much that was.';
revoke execute on function raw.forget_files from public;
grant execute on function raw.forget_files to taxi_loader;
