-- The dye's own raw tables, the runs, and the view that the models read under target angiogram.

create table angiogram_raw.taxi_rides (
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
    run_id text not null,
    ride_number int not null,
    sent_at timestamptz not null,
    primary key (topic_id, "partition", "offset")
);
comment on table angiogram_raw.taxi_rides is 'One row per dye message; a message doubled on its way is two rows.';
create index taxi_rides_by_run on angiogram_raw.taxi_rides (run_id);

create table angiogram_raw.dead_letters (
    value bytea,
    message_key bytea,
    reason text not null,
    topic text not null,
    topic_id uuid not null,
    "partition" int not null,
    "offset" bigint not null,
    message_at timestamptz,
    loaded_at timestamptz not null default now(),
    run_id text not null,
    ride_number int not null,
    sent_at timestamptz not null,
    primary key (topic_id, "partition", "offset")
);
comment on table angiogram_raw.dead_letters is 'One row per dye message that is no storable JSON object.';
create index dead_letters_by_run on angiogram_raw.dead_letters (run_id);

create table angiogram.runs (
    run_id text primary key,
    in_hand boolean not null default false,
    batch int not null default 0 check (batch between 0 and 2),
    batch_1_last_ride int,
    lease_until timestamptz,
    owner text,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    verdict text,
    blockage text[],
    report jsonb
);
comment on table angiogram.runs is 'One row per run of the dye; at most one is in hand.';
comment on column angiogram.runs.batch is 'Highest batch that the models may see.';
comment on column angiogram.runs.batch_1_last_ride is 'Highest ride number of batch 1.';
create unique index one_run_in_hand on angiogram.runs (in_hand) where in_hand;

create view angiogram_raw.rides_in_hand as
select
    rides.taxi_id,
    rides.pax_id,
    rides.start_time,
    rides.end_time,
    rides.pickup_zipcode,
    rides.dropoff_zipcode,
    rides.tax_amount,
    rides.fare_amount,
    rides.currency,
    rides.car_model,
    rides.unknown_fields,
    rides.topic,
    rides.topic_id,
    rides."partition",
    rides."offset",
    rides.message_at,
    rides.loaded_at,
    rides.run_id,
    rides.ride_number,
    rides.sent_at
from angiogram.runs as runs
inner join angiogram_raw.taxi_rides as rides on runs.run_id = rides.run_id
where
    runs.in_hand
    and (runs.batch = 2 or (runs.batch = 1 and rides.ride_number <= runs.batch_1_last_ride));
comment on view angiogram_raw.rides_in_hand is 'The dye rides that the models may see: of the run in hand, up to its batch.';

grant usage on schema angiogram_raw to taxi_loader, angiogram;
grant insert on angiogram_raw.taxi_rides, angiogram_raw.dead_letters to taxi_loader;
grant select on angiogram_raw.taxi_rides, angiogram_raw.dead_letters, angiogram_raw.rides_in_hand to angiogram;
grant usage on schema angiogram to angiogram, marts_reader;
grant select, insert, update on angiogram.runs to angiogram;
grant select on angiogram.runs to marts_reader;
