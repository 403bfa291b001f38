{#- On-run-end: make again what this build has dropped, say what was made again and what was not; of the former no note is
kept. On-run-start, what an earlier build has left is tried; the end of the build says what cannot be made again. -#}
{% macro restore_dependent_views(warns=true) -%}
    {%- if not data_angiogram.may_drop_views() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set notes = data_angiogram.noted_views() -%}
    {%- if notes is none or not run_query('select to_regclass(' ~ data_angiogram._literal(notes) ~ ') is not null').rows[0][0] -%}
        {{ return('') }}
    {%- endif -%}
    {%- do run_query(data_angiogram._make_again(notes)) -%}
    {%- set noted = run_query(
        "select format('%I.%I', schema_name, name) as view, owner, lost_because, made_again_at is not null as is_made_again, "
        ~ 'coalesce((select rolsuper from pg_roles where rolname = owner), false) as is_of_superuser from ' ~ notes
        ~ ' order by depth, schema_name, name'
    ) -%}
    {%- for row in noted.rows -%}
        {%- if row['is_made_again'] -%}
            {%- do log('The view ' ~ row['view'] ~ ' was dropped with what it reads, and has been recreated.', info=true) -%}
        {%- elif row['lost_because'] and warns -%}
            {%- if row['is_of_superuser'] -%}
                {%- set advice = '. ' ~ row['owner'] ~ " is a superuser, whose rights dbt's role must not get: give the view to "
                    ~ 'an ordinary role afterwards, so that the next build can recreate it' -%}
            {%- else -%}
                {%- set advice = ', or, if a right is missing, run: grant ' ~ adapter.quote(row['owner']) ~ ' to '
                    ~ adapter.quote(target.user) -%}
            {%- endif -%}
            {%- do exceptions.warn(
                'The view ' ~ row['view'] ~ ' was dropped with what it reads, and cannot be recreated: ' ~ row['lost_because']
                ~ '. Its definition is kept in ' ~ notes ~ ', and each build retries. Let ' ~ row['owner'] ~ ' create it'
                ~ advice ~ '. To give the view up, delete its row there.'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do run_query('delete from ' ~ notes ~ ' where ' ~ data_angiogram.is_there()) -%}
    {%- do data_angiogram.tell_the_verdict(notes) -%}
{%- endmacro %}

{#- Whether a noted view exists; to_regclass() would need a right on its schema. -#}
{% macro is_there() -%}
    (schema_name, name) in (
        select
            pg_namespace.nspname::text,
            pg_class.relname::text
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    )
{%- endmacro %}

{#- Each as its owner, so that nothing in a view's definition runs with dbt's rights; all of a view or nothing of it. -#}
{% macro _make_again(notes) -%}
    do $make_again$
    declare
        path constant text := current_setting('search_path');
        dbt_role constant text := current_setting('role');
        noted record;
        statement text;
    begin
        lock table {{ notes }} in share row exclusive mode;
        perform set_config('search_path', 'pg_catalog', true);
        for noted in
            select * from {{ notes }}
            where not {{ data_angiogram.is_there() }}
            order by depth, schema_name, name
        loop
            begin
                if noted.owner <> current_user then
                    perform set_config('role', noted.owner, true);
                end if;
                foreach statement in array noted.statements loop
                    execute statement;
                end loop;
                perform set_config('role', dbt_role, true);
                update {{ notes }} set made_again_at = now(), lost_because = null
                where (schema_name, name) = (noted.schema_name, noted.name);
            exception when others then -- which takes the role back, too
                update {{ notes }} set made_again_at = null, lost_because = sqlerrm
                where (schema_name, name) = (noted.schema_name, noted.name);
            end;
        end loop;
        perform set_config('search_path', path, true);
    end
    $make_again$
{%- endmacro %}
