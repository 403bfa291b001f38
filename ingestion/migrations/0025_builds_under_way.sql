-- One dbt build of a target at a time: two at once would write each message twice.

create table angiogram.builds_under_way (
    pipeline text not null,
    target text not null,
    invocation_id text not null,
    command text not null,
    started_at timestamptz not null default clock_timestamp(),
    started_by text not null default session_user || coalesce(' from ' || host(inet_client_addr()), ''),
    primary key (pipeline, target)
);
comment on table angiogram.builds_under_way is
'One row per dbt project and target while dbt builds it; the next build of the target waits for it. A build that was killed leaves its row, and the next one replaces it.';
comment on column angiogram.builds_under_way.invocation_id is
'What dbt calls this build; each of its statements carries it in a comment, by which others see whether it is still at work.';
comment on column angiogram.builds_under_way.started_by is 'Role and address.';

grant select, insert, update, delete on angiogram.builds_under_way to dbt_dev, dbt_prod, angiogram;
grant usage on schema angiogram to dbt_dev;
