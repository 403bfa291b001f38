{#- Two builds of one target at once would both take the same new messages, and write them twice. On-run-start: wait until no
other build of this project and target is under way, and say for whom. dbt keeps no session open for all of a build, so that
a row stands for it, and its statements, which carry its id, show that it is at work. dbt closes each session at the end of a
node, so that no lock can stand for a build, and one that compiles has none: only silence tells that it was killed. -#}
{% macro one_build_at_a_time() -%}
    {%- if not data_angiogram.builds_alone() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set waited = namespace(until_taken=false, silent=0, told=none, told_at=0) -%}
    {%- for second in range(86400) if not waited.until_taken -%}
        {%- set other = run_query(data_angiogram._take_the_build(waited.silent >= 15)) -%}
        {%- if not other | length -%}
            {%- set waited.until_taken = true -%}
        {%- else -%}
            {%- set other = other.rows[0] -%}
            {%- set is_known = waited.told == other['invocation_id'] -%}
            {%- set waited.silent = waited.silent + 1 if is_known and not other['is_at_work'] else 0 -%}
            {%- if not is_known or second - waited.told_at >= 60 -%}
                {%- do log(
                    'Waiting for another build of target ' ~ target.name ~ ': `dbt ' ~ other['command'] ~ '`, started by '
                    ~ other['started_by'] ~ ' at ' ~ other['started'] ~ ' (' ~ other['invocation_id'] ~ ').', info=true
                ) -%}
                {%- set waited.told = other['invocation_id'] -%}
                {%- set waited.told_at = second -%}
            {%- elif waited.silent == 5 -%}
                {%- do log(
                    'The build ' ~ waited.told ~ ' has had no session for 5 s. If it has none for 15 s, it counts as killed.',
                    info=true
                ) -%}
            {%- endif -%}
            {%- do run_query('select pg_sleep(1)') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not waited.until_taken -%}
        {{ exceptions.raise_compiler_error(
            'Another build of target ' ~ target.name ~ ' has been running for a day (' ~ waited.told ~ '). Nothing was built. '
            ~ 'End it and retry.'
        ) }}
    {%- endif -%}
    {%- if waited.told -%}
        {%- do data_angiogram._look_at_relations_again() -%}
    {%- endif -%}
{%- endmacro %}

{#- On-run-end, last: let the next build begin. -#}
{% macro end_of_build() -%}
    {%- if data_angiogram.builds_alone() -%}
    delete from angiogram.builds_under_way where invocation_id = {{ data_angiogram._literal(invocation_id) }}
    {%- endif -%}
{%- endmacro %}

{#- Builds of the dye by `angiogram` wait for each other by themselves. -#}
{% macro builds_alone() -%}
    {%- if not execute or target.type != 'postgres' or flags.WHICH not in ('build', 'run', 'seed', 'snapshot') -%}
        {{ return(false) }}
    {%- elif data_angiogram.is_dye_target() and (var('dye_source', 'seeds') != 'seeds' or var('dye_batches', none)) -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set can_be_noted -%}
        select exists (
            select
            from pg_class
            inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
            where
                pg_namespace.nspname = 'angiogram'
                and pg_class.relname = 'builds_under_way'
                and has_schema_privilege(pg_namespace.oid, 'usage')
                and has_table_privilege(pg_class.oid, 'insert')
        )
    {%- endset -%}
    {{ return(run_query(can_be_noted).rows[0][0]) }}
{%- endmacro %}

{#- Takes the build, or finds who has it. A session is at work on a build if it carries its id, which stands in no text here. -#}
{% macro _take_the_build(is_dead) -%}
    with taken as (
        insert into angiogram.builds_under_way as builds (pipeline, target, invocation_id, command)
        values (
            {{ data_angiogram._literal(project_name) }},
            {{ data_angiogram._literal(target.name) }},
            {{ data_angiogram._literal(invocation_id) }},
            {{ data_angiogram._literal(flags.WHICH) }}
        )
        on conflict (pipeline, target) do update set
            invocation_id = excluded.invocation_id,
            command = excluded.command,
            started_at = excluded.started_at,
            started_by = excluded.started_by
        where
            {{ 'true' if is_dead else 'false' }}
            and not exists (
                select from pg_stat_activity where position(builds.invocation_id in query) > 0 and pid <> pg_backend_pid()
            )
        returning invocation_id
    )

    select
        invocation_id,
        command,
        started_by,
        to_char(started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as started,
        exists (
            select from pg_stat_activity where position(builds.invocation_id in query) > 0 and pid <> pg_backend_pid()
        ) as is_at_work
    from angiogram.builds_under_way as builds
    where
        pipeline = {{ data_angiogram._literal(project_name) }}
        and target = {{ data_angiogram._literal(target.name) }}
        and invocation_id <> {{ data_angiogram._literal(invocation_id) }}
        and not exists (select from taken)
{%- endmacro %}

{#- dbt looked at what exists before it waited. -#}
{% macro _look_at_relations_again() -%}
    {%- for relation in data_angiogram.project_relations() -%}
        {%- set known = api.Relation.create(database=target.database, schema=relation.schema, identifier=relation.identifier) -%}
        {%- do adapter.cache_dropped(known) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select nspname, relname, case relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as kind "
        ~ 'from pg_class inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid where pg_class.oid in ('
        ~ data_angiogram._oids_of(data_angiogram.project_relations()) ~ ')'
    ) -%}
    {%- for row in found.rows -%}
        {%- do adapter.cache_added(
            api.Relation.create(database=target.database, schema=row['nspname'], identifier=row['relname'], type=row['kind'])
        ) -%}
    {%- endfor -%}
{%- endmacro %}
