-- Rides and dead letters as received, keyed by their place on the topic, and how far each partition is loaded.

create table raw.taxi_rides (
    taxi_id text,
    pax_id text,
    start_time text,
    end_time text,
    pickup_zipcode text,
    dropoff_zipcode text,
    tax_amount text,
    fare_amount text,
    currency text,
    car_model text,
    unknown_fields text,
    topic text not null,
    topic_id uuid not null,
    "partition" int not null,
    "offset" bigint not null,
    message_at timestamptz,
    loaded_at timestamptz not null default now(),
    primary key (topic_id, "partition", "offset")
);
comment on table raw.taxi_rides is 'One row per live message: the ten fields as text, exactly as received.';
comment on column raw.taxi_rides.unknown_fields is 'JSON text of the fields that the contract does not know; null if none.';
comment on column raw.taxi_rides.message_at is 'When the broker took the message; null if it carries no readable time.';

create table raw.dead_letters (
    value bytea,
    message_key bytea,
    reason text not null,
    topic text not null,
    topic_id uuid not null,
    "partition" int not null,
    "offset" bigint not null,
    message_at timestamptz,
    loaded_at timestamptz not null default now(),
    primary key (topic_id, "partition", "offset")
);
comment on table raw.dead_letters is 'One row per live message that is no storable JSON object, with its bytes and the reason.';

create table raw.loaded_offsets (
    topic_id uuid not null,
    topic text not null,
    "partition" int not null,
    next_offset bigint not null,
    updated_at timestamptz not null default now(),
    primary key (topic_id, "partition")
);
comment on table raw.loaded_offsets is 'The next offset to load; moves only in the transaction of the rows it stands for.';

create table raw.loaders (
    loader_id uuid primary key,
    host text not null,
    pid int not null,
    backend_pid int not null,
    mode text not null check (mode in ('follow', 'until_caught_up')),
    key_fingerprints text[] not null,
    started_at timestamptz not null default now(),
    forged_dye bigint not null default 0
);
comment on table raw.loaders is 'One row per start of a loader: where it runs, which dye keys it accepts, how many forged dye headers it met.';
comment on column raw.loaders.backend_pid is 'Its session in pg_stat_activity and pg_locks, renewed when it connects anew.';

create table raw.gaps (
    topic_id uuid not null,
    topic text not null,
    "partition" int not null,
    from_offset bigint not null,
    to_offset bigint not null,
    reason text not null check (reason in ('deleted_before_loaded', 'stored_offset_beyond_end')),
    noticed_at timestamptz not null default now(),
    primary key (topic_id, "partition", from_offset, to_offset)
);
comment on table raw.gaps is 'Offsets from (inclusive) and to (exclusive) that the topic no longer holds as they were stored.';

grant usage on schema raw to taxi_loader, dbt_dev, dbt_prod, angiogram;
grant insert on raw.taxi_rides, raw.dead_letters to taxi_loader;
grant select, insert, update on raw.loaded_offsets, raw.loaders to taxi_loader;
grant select, insert on raw.gaps to taxi_loader;
grant select on raw.schema_migrations to taxi_loader, angiogram;
grant select on raw.taxi_rides, raw.dead_letters, raw.loaded_offsets to dbt_dev, dbt_prod;
grant select on raw.loaded_offsets, raw.loaders to angiogram;
