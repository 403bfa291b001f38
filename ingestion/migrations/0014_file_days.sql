-- A file belongs to each day that it was asked for under, and is known by its content and by how it was read.

-- A file that was appended to is loaded from its new rows on. What retention took away is no loss.
alter table raw.loaded_files
add column content uuid,
add column format text check (format in ('parquet', 'csv', 'ndjson')),
add column folder_columns jsonb,
add column first_row bigint not null default 0 check (first_row >= 0),
add column continues uuid references raw.loaded_files (topic_id),
add column retired_at timestamptz;

update raw.loaded_files
set
    content = topic_id,
    format = case
        when lower(path) like '%.parquet' then 'parquet'
        when lower(path) like '%.csv' then 'csv'
        else 'ndjson'
    end;

alter table raw.loaded_files
alter column content set not null,
alter column format set not null,
add unique (content, format, folder_columns);

comment on column raw.loaded_files.topic_id is
'What its rows carry: made of the content, the format and the columns that folders give.';
comment on column raw.loaded_files.path is 'Where it lay below the folder that was loaded when its rows were written.';
comment on column raw.loaded_files.content is 'The first 16 bytes of the SHA-256 of its content.';
comment on column raw.loaded_files.format is 'How it was read.';
comment on column raw.loaded_files.folder_columns is
'Columns that the names of its folders give, such as currency=EUR; null: loaded before these were read.';
comment on column raw.loaded_files.first_row is 'The first row loaded: those before it were loaded as an earlier content.';
comment on column raw.loaded_files.continues is 'The earlier content that this one begins with, to which rows were appended.';
comment on column raw.loaded_files.retired_at is 'When `ingestion retention` took rows of it away; null: never.';

create table raw.file_days (
    topic_id uuid not null references raw.loaded_files (topic_id) on delete cascade,
    day date,
    path text not null,
    load_id uuid not null,
    asked_at timestamptz not null default clock_timestamp()
);
comment on table raw.file_days is
'The days that a file was asked for under; its rows stay until the last of them is replaced without it.';
comment on column raw.file_days.day is 'The day that its path, or else the folder that was loaded, names; null if none.';
comment on column raw.file_days.path is 'Where it lay below the folder that was loaded.';
comment on column raw.file_days.load_id is 'The start of the command that asked for it.';
create index file_days_by_day on raw.file_days (day);
create unique index file_days_once on raw.file_days (topic_id, day, md5(path)) nulls not distinct;
create index file_days_by_path on raw.file_days using hash (path);
insert into raw.file_days (topic_id, day, path, load_id, asked_at)
select f.topic_id, f.day, f.path, f.load_id, f.loaded_at
from raw.loaded_files as f;

grant select, insert on raw.file_days to taxi_loader;
grant select on raw.file_days to dbt_dev, dbt_prod;

drop function raw.forget_files(date, uuid []);
alter table raw.loaded_files drop column day;

create function raw.forget_files(of_day date, kept uuid [])
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
        where day = of_day and topic_id not in (select s.topic_id from staying as s)
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
comment on function raw.forget_files is
'Takes a day from its files but for those kept, and away those that lie under no other; says how much that was.';
revoke execute on function raw.forget_files from public;
grant execute on function raw.forget_files to taxi_loader;

-- The loader may not read rows. It may ask which of a file are there, so that lost ones can be loaded again.
create function raw.file_rows(topic_ids uuid [])
returns table (topic_id uuid, stored bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select
        f.topic_id,
        (select count(*) from raw.taxi_rides as r where r.topic_id = f.topic_id and r."partition" = 0)
        + (select count(*) from raw.dead_letters as l where l.topic_id = f.topic_id and l."partition" = 0)
    from raw.loaded_files as f
    where f.topic_id = any(topic_ids);
end;
comment on function raw.file_rows is 'How many rows of each file are stored, rides and dead letters.';
revoke execute on function raw.file_rows from public;
grant execute on function raw.file_rows to taxi_loader, dbt_prod;

create function raw.missing_file_rows(of_file uuid)
returns table (from_row bigint, to_row bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    with file as (
        select f.topic_id, f.first_row, f.first_row + f.rides + f.dead_letters as end_row
        from raw.loaded_files as f
        where f.topic_id = of_file
    ),
    stored as (
        select f.first_row - 1 as place from file as f
        union all
        select r."offset" from raw.taxi_rides as r where r.topic_id = of_file and r."partition" = 0
        union all
        select l."offset" from raw.dead_letters as l where l.topic_id = of_file and l."partition" = 0
        union all
        select f.end_row from file as f
    ),
    pairs as (
        select s.place, lead(s.place) over (order by s.place) as next_place from stored as s
    )
    select p.place + 1, p.next_place
    from pairs as p
    where p.next_place > p.place + 1
    order by p.place;
end;
comment on function raw.missing_file_rows is 'The rows of a file that are no longer stored, from (inclusive) and to (exclusive).';
revoke execute on function raw.missing_file_rows from public;
grant execute on function raw.missing_file_rows to taxi_loader;
