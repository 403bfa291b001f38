-- What production last built, so that a verdict can say whether the dye tested the same.

create table angiogram.live_nodes (
    unique_id text primary key,
    name text not null,
    resource_type text not null check (resource_type in ('model', 'seed')),
    relation text not null,
    accounts_for text,
    fingerprint text not null,
    built_at timestamptz not null default clock_timestamp()
);
comment on table angiogram.live_nodes is
'One row per model and reference seed of target prod, as it was last built; written at the end of each dbt command.';
comment on column angiogram.live_nodes.unique_id is 'The id that dbt gives it.';
comment on column angiogram.live_nodes.relation is 'Its table, quoted.';
comment on column angiogram.live_nodes.accounts_for is 'Which messages its rows account for: accepted, rejected, checked; null if none.';
comment on column angiogram.live_nodes.fingerprint is 'Of a model the MD5 of its SQL without names of relations; of a seed that of its rows.';

grant usage on schema angiogram to dbt_prod;
grant select, insert, update, delete on angiogram.live_nodes to dbt_prod;
grant select on angiogram.live_nodes to angiogram, marts_reader;
