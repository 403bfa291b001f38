-- What a run leaves to its later steps and to later runs gets columns of its own, so that its report is the report
-- alone; and runs, alerts, mutes and holds carry the name of their pipeline, so that several share a database.
--
-- A session says in the setting `angiogram.pipeline` which pipeline it works for, and sees the rows of that one alone;
-- without it, as a dashboard's session is, it sees those of all. The pipeline's name is that of its dbt project. Rows
-- without a name belong to every pipeline: somebody wrote them by hand.

alter table angiogram.runs
    add column lease_seconds float8,
    add column steps jsonb not null default '{}',
    add column batches_taken_at jsonb not null default '{}',
    add column failed_with text,
    add column taken_over_by text;
update angiogram.runs
set
    lease_seconds = (report ->> 'lease')::float8,
    steps = coalesce(report -> 'steps', '{}'),
    batches_taken_at = coalesce(report -> 'batches_taken_at', '{}'),
    failed_with = report ->> 'failed_with',
    taken_over_by = report ->> 'taken_over_by',
    report = report - '{lease,steps,batches_taken_at,failed_with,taken_over_by}'::text [];
alter table angiogram.runs rename column batch_1_last_ride to batch_1_last_message;
comment on column angiogram.runs.batch_1_last_message is 'Highest message number of batch 1.';
comment on column angiogram.runs.lease_seconds is 'Seconds that the run stays in hand after each sign of life.';
comment on column angiogram.runs.steps is 'What each step left to later ones, by the name of the step.';
comment on column angiogram.runs.batches_taken_at is 'When the models were let see each batch, by its number.';
comment on column angiogram.runs.failed_with is 'The error that ended a step, for whoever ends the run.';
comment on column angiogram.runs.taken_over_by is 'The run that took over when the lease had run out.';
comment on column angiogram.runs.report is 'The report of docs/report.schema.json; before the verdict what is known.';

alter table angiogram.runs
    add column pipeline text not null default coalesce(current_setting('angiogram.pipeline', true), '');
alter table angiogram.alerts
    add column pipeline text not null default coalesce(current_setting('angiogram.pipeline', true), '');
alter table angiogram.mutes
    add column pipeline text not null default coalesce(current_setting('angiogram.pipeline', true), '');
alter table angiogram.holds
    add column pipeline text not null default coalesce(current_setting('angiogram.pipeline', true), '');
comment on column angiogram.runs.pipeline is 'Name of the dbt project that was tested.';
comment on table angiogram.runs is 'One row per run of the dye; at most one of each pipeline is in hand.';
comment on table angiogram.holds is 'One row per turn of the switch; the last one of a pipeline counts. Without any it is off.';

drop index angiogram.one_run_in_hand;
create unique index one_run_in_hand on angiogram.runs (pipeline) where in_hand;

create function angiogram.is_seen(pipeline text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
return coalesce(current_setting('angiogram.pipeline', true), '') in ('', pipeline) or pipeline = '';
comment on function angiogram.is_seen is 'Whether this session works for a pipeline, or for all.';

alter table angiogram.runs enable row level security;
alter table angiogram.alerts enable row level security;
alter table angiogram.mutes enable row level security;
alter table angiogram.holds enable row level security;
create policy of_one_pipeline on angiogram.runs using (angiogram.is_seen(pipeline));
create policy of_one_pipeline on angiogram.alerts using (angiogram.is_seen(pipeline));
create policy of_one_pipeline on angiogram.mutes using (angiogram.is_seen(pipeline));
create policy of_one_pipeline on angiogram.holds using (angiogram.is_seen(pipeline));

drop view angiogram.last_verified;
create view angiogram.last_verified with (security_invoker = true) as
select
    verified.run_id as verified_run_id,
    verified.finished_at as verified_at,
    verified.code_commit as verified_code_commit,
    judged.run_id as last_run_id,
    judged.finished_at as last_judged_at,
    judged.code_commit as last_code_commit,
    judged.verdict as last_verdict,
    judged.blockage as last_blockage,
    judged.pipeline
from (
    select distinct on (pipeline)
        pipeline,
        run_id,
        finished_at,
        verdict,
        blockage,
        report -> 'versions' ->> 'code_commit' as code_commit
    from angiogram.runs
    where verdict in ('healthy', 'blocked')
    order by pipeline, finished_at desc
) as judged
left join lateral (
    select run_id, finished_at, report -> 'versions' ->> 'code_commit' as code_commit
    from angiogram.runs
    where verdict = 'healthy' and pipeline = judged.pipeline
    order by finished_at desc
    limit 1
) as verified on true;
comment on view angiogram.last_verified is
'One row a pipeline, none before its first verdict: when it was last found healthy, and its last verdict of all.';
grant select on angiogram.last_verified to angiogram, marts_reader;

drop function angiogram.held_because;
create function angiogram.held_because(moment timestamptz, of_pipeline text default null)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select
        format(
            'the verdict of run %s is blocked at %s, and the hold is on (%s: %s)',
            judged.run_id, angiogram.listed(judged.blockage), switch.made_by, switch.reason
        )
    from (
        select is_on, reason, made_by
        from angiogram.holds
        where made_at <= moment and (of_pipeline is null or pipeline in ('', of_pipeline))
        order by hold_id desc
        limit 1
    ) as switch
    cross join (
        select run_id, verdict, blockage
        from angiogram.runs
        where
            verdict in ('healthy', 'blocked')
            and finished_at <= moment
            and (of_pipeline is null or pipeline in ('', of_pipeline))
        order by finished_at desc
        limit 1
    ) as judged
    where switch.is_on and judged.verdict = 'blocked';
end;
comment on function angiogram.held_because is
'Why the marts of a pipeline are held at a moment; null if they are not. A dbt command asks for one: all or none.';
revoke execute on function angiogram.held_because from public;
grant execute on function angiogram.held_because to dbt_prod, angiogram;
