-- Who was told of which verdict, what is muted or acknowledged until when, and the last verified time for dashboards.

create table angiogram.alerts (
    run_id text primary key,
    verdict text not null,
    blockage text[] not null,
    state text not null check (state in ('sent', 'failed', 'muted', 'acknowledged', 'nobody')),
    message text not null,
    detail text,
    decided_at timestamptz not null default clock_timestamp()
);
comment on table angiogram.alerts is 'One row per run whose verdict was to be told: what became of the alert.';
comment on column angiogram.alerts.state is 'sent: at least one address took it; failed: none did; nobody: no address is set.';
comment on column angiogram.alerts.detail is 'Which addresses did not take it, or why it was not sent.';

create table angiogram.mutes (
    mute_id bigint generated always as identity primary key,
    run_id text,
    blockage text[],
    reason text not null check (reason <> ''),
    made_by text not null,
    made_at timestamptz not null default clock_timestamp(),
    muted_until timestamptz not null,
    check ((run_id is null) = (blockage is null))
);
comment on table angiogram.mutes is 'One row per mute of all alerts, or per acknowledgement of the blockage that a run found.';
comment on column angiogram.mutes.run_id is 'The run that was acknowledged; null: all alerts are muted.';

create view angiogram.last_verified as
select
    verified.run_id as verified_run_id,
    verified.finished_at as verified_at,
    verified.code_commit as verified_code_commit,
    judged.run_id as last_run_id,
    judged.finished_at as last_judged_at,
    judged.code_commit as last_code_commit,
    judged.verdict as last_verdict,
    judged.blockage as last_blockage
from (
    select run_id, finished_at, verdict, blockage, report -> 'versions' ->> 'code_commit' as code_commit
    from angiogram.runs
    where verdict in ('healthy', 'blocked')
    order by finished_at desc
    limit 1
) as judged
left join lateral (
    select run_id, finished_at, report -> 'versions' ->> 'code_commit' as code_commit
    from angiogram.runs
    where verdict = 'healthy'
    order by finished_at desc
    limit 1
) as verified on true;
comment on view angiogram.last_verified is
'One row, none before the first verdict: when the pipeline was last found healthy, and the last verdict of all.';

grant select, insert, update on angiogram.alerts to angiogram;
grant select, insert on angiogram.mutes to angiogram;
grant select on angiogram.last_verified to angiogram, marts_reader;
