-- A stage is called by kind and name, so that a model named `loader` never takes the loader's place. The text of an
-- earlier version is told apart by what it named: api, topic, loader; a checkpoint, which alone has blanks; expected__;
-- a reference seed as the run's own report has it; else a model.

create function angiogram.stage_of(stage text, report jsonb)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
    select
        case
            when stage in ('api', 'topic', 'loader') then jsonb_build_object('kind', stage, 'name', 'rides')
            when stage like '% %' then jsonb_build_object('kind', 'checkpoint', 'name', stage)
            when starts_with(stage, 'expected__')
                then jsonb_build_object('kind', 'expected', 'name', substr(stage, length('expected__') + 1))
            when exists (
                select from jsonb_array_elements(
                    case when jsonb_typeof(report -> 'stages') = 'array' then report -> 'stages' else '[]' end
                ) as row_of (told)
                where row_of.told ->> 'stage' = stage and row_of.told ->> 'kind' = 'reference'
            )
                then jsonb_build_object('kind', 'seed', 'name', stage)
            else jsonb_build_object('kind', 'model', 'name', stage)
        end;
end;

create function angiogram.stages_of(stages text [], report jsonb)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
    select
        case
            when stages is not null
                then (
                    select coalesce(jsonb_agg(angiogram.stage_of(listed.stage, report) order by listed.place), '[]')
                    from unnest(stages) with ordinality as listed (stage, place)
                )
        end;
end;

drop view angiogram.last_verified;
drop function angiogram.held_because;

alter table angiogram.differences add column stage_kind text, add column stage_name text;
update angiogram.differences as found
set
    stage_kind = angiogram.stage_of(found.stage, runs.report) ->> 'kind',
    stage_name = angiogram.stage_of(found.stage, runs.report) ->> 'name'
from angiogram.runs
where runs.run_id = found.run_id;
alter table angiogram.differences
    drop constraint differences_pkey,
    drop column stage,
    add primary key (run_id, stage_kind, stage_name, number);
alter table angiogram.differences rename column rides to messages;
comment on column angiogram.differences.stage_kind is 'Kind of the stage: api, topic, loader, model, seed or expected.';
comment on column angiogram.differences.stage_name is 'Its name: of the stream, the model or the seed.';
comment on column angiogram.differences.messages is 'Names of the dye messages that feed the row.';
comment on column angiogram.differences.unfed is 'Whether no dye message feeds the row: only the expected seed has it.';

alter table angiogram.alerts add column stages jsonb;
update angiogram.alerts as alert
set stages = angiogram.stages_of(alert.blockage, (select runs.report from angiogram.runs where runs.run_id = alert.run_id));
alter table angiogram.alerts drop column blockage;
alter table angiogram.alerts rename column stages to blockage;
alter table angiogram.alerts alter column blockage set not null;
comment on column angiogram.alerts.blockage is 'The blocked stages, each with kind and name.';

alter table angiogram.mutes add column stages jsonb;
update angiogram.mutes as mute
set stages = angiogram.stages_of(mute.blockage, (select runs.report from angiogram.runs where runs.run_id = mute.run_id));
alter table angiogram.mutes drop column blockage;
alter table angiogram.mutes rename column stages to blockage;
alter table angiogram.mutes add check ((run_id is null) = (blockage is null));
comment on column angiogram.mutes.blockage is 'The stages that are acknowledged, each with kind and name; null: all alerts are muted.';

alter table angiogram.runs add column stages jsonb;
update angiogram.runs set stages = angiogram.stages_of(blockage, report);
alter table angiogram.runs drop column blockage;
alter table angiogram.runs rename column stages to blockage;
comment on column angiogram.runs.blockage is 'The blocked stages, each with kind and name; null before the verdict.';

drop function angiogram.stages_of;
drop function angiogram.stage_of;

create function angiogram.listed(stages jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
    select
        string_agg(
            case when stage.told ->> 'kind' = 'model' then '' else (stage.told ->> 'kind') || ':' end || (stage.told ->> 'name'),
            ', ' order by stage.place
        )
    from jsonb_array_elements(stages) with ordinality as stage (told, place);
end;
comment on function angiogram.listed is 'Stages as one reads them: fct_rides for a model, loader:rides for any other.';

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
grant select on angiogram.last_verified to angiogram, marts_reader;

create function angiogram.held_because(moment timestamptz)
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
        where made_at <= moment
        order by hold_id desc
        limit 1
    ) as switch
    cross join (
        select run_id, verdict, blockage
        from angiogram.runs
        where verdict in ('healthy', 'blocked') and finished_at <= moment
        order by finished_at desc
        limit 1
    ) as judged
    where switch.is_on and judged.verdict = 'blocked';
end;
comment on function angiogram.held_because is
'Why the marts are held at a moment; null if they are not. A dbt command asks for one: all marts are held or none.';
revoke execute on function angiogram.held_because from public;
grant execute on function angiogram.held_because to dbt_prod, angiogram;
