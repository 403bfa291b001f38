{#- Views that people made on what dbt builds. dbt replaces a relation by dropping the old one with cascade, and every view
on it with it. On-run-start: make again what a killed build has left, name the views as they are now, and note them in a
table, from which restore_dependent_views() makes those again that this build drops. -#}
{% macro note_dependent_views() -%}
    {%- if not data_angiogram.may_drop_views() -%}
        {{ return('') }}
    {%- endif -%}
    {%- do data_angiogram.restore_dependent_views(warns=false) -%}
    {%- set relations = data_angiogram.project_relations() -%}
    {%- set found = run_query(
        'select relation from (' ~ data_angiogram.dependent_views(relations) ~ ') as views order by depth, relation'
    ) -%}
    {%- set others = run_query(
        data_angiogram.other_dependents(relations) ~ ' union ' ~ data_angiogram.own_dependents(relations) ~ ' order by 1'
    ) -%}
    {%- if others | length -%}
        {%- do log(
            'These objects also depend on what dbt builds. They are dropped, and not recreated, where dbt replaces a table: '
            ~ others.columns[0].values() | join(', ') ~ '.', info=true
        ) -%}
    {%- endif -%}
    {%- if not found | length -%}
        {{ return('') }}
    {%- endif -%}
    {%- set names = found.columns[0].values() | join(', ') -%}
    {%- set notes = data_angiogram.noted_views() -%}
    {%- if notes is none -%}
        {%- do exceptions.warn(
            'These views read what dbt builds: ' ~ names ~ '. ' ~ target.user ~ ' cannot create a table in the schemas of the '
            ~ 'project, so their definitions cannot be kept: views that this build drops are lost. Grant create on schema '
            ~ target.schema ~ ' to ' ~ target.user ~ '.'
        ) -%}
        {{ return('') }}
    {%- endif -%}
    {%- do log('These views read what dbt builds, and are kept or recreated: ' ~ names ~ '.', info=true) -%}
    {%- do run_query(data_angiogram._note(notes, relations)) -%}
    {%- do data_angiogram.tell_the_verdict(notes) -%}
{%- endmacro %}

{#- Copies the notes to where a verdict reads them, if that table is there: who judges has no right on the schemas of live
tables. -#}
{% macro tell_the_verdict(notes) -%}
    {%- set is_kept -%}
        select
            coalesce(
                bool_or(
                    has_schema_privilege(pg_namespace.oid, 'usage')
                    and has_table_privilege(pg_class.oid, 'select')
                    and has_table_privilege(pg_class.oid, 'insert')
                    and has_table_privilege(pg_class.oid, 'delete')
                ),
                false
            )
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where pg_namespace.nspname = 'angiogram' and pg_class.relname = 'noted_views'
    {%- endset -%}
    {%- if run_query(is_kept).rows[0][0] -%}
        {%- do run_query(
            "select set_config('angiogram.pipeline', " ~ data_angiogram._literal(project_name) ~ ', true)'
            ~ '; delete from angiogram.noted_views where notes = ' ~ data_angiogram._literal(notes)
            ~ '; insert into angiogram.noted_views (notes, schema_name, name, owner, lost_because, noted_at) select '
            ~ data_angiogram._literal(notes) ~ ', schema_name, name, owner, lost_because, noted_at from ' ~ notes
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- The table of the notes; none if dbt may create none. -#}
{% macro noted_views() -%}
    {%- set schemas = [data_angiogram._literal(target.schema)] -%}
    {%- for relation in data_angiogram.project_relations() -%}
        {%- do schemas.append(data_angiogram._literal(relation.schema)) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select format('%I.dependent_views', nspname) from pg_namespace where nspname in (" ~ schemas | unique | join(', ')
        ~ ") and has_schema_privilege(oid, 'create') order by to_regclass(format('%I.dependent_views', nspname)) is null, "
        ~ 'nspname <> ' ~ data_angiogram._literal(target.schema) ~ ', nspname limit 1'
    ) -%}
    {{ return(found.rows[0][0] if found | length else none) }}
{%- endmacro %}

{% macro may_drop_views() -%}
    {{ return(
        execute and target.type == 'postgres' and not data_angiogram.is_dye_target()
        and flags.WHICH in ('build', 'run', 'seed', 'snapshot')
    ) }}
{%- endmacro %}

{% macro _note(notes, relations) -%}
    do $note$
    declare
        path constant text := current_setting('search_path');
    begin
        create table if not exists {{ notes }} (
            schema_name text not null,
            name text not null,
            owner text not null,
            depth int not null,
            statements text [] not null,
            noted_at timestamptz not null default now(),
            made_again_at timestamptz,
            lost_because text,
            primary key (schema_name, name)
        );
        lock table {{ notes }} in share row exclusive mode;
        perform set_config('search_path', 'pg_catalog', true); -- so that every name in a definition has its schema
        delete from {{ notes }} where {{ data_angiogram.is_there() }};
        insert into {{ notes }} (schema_name, name, owner, depth, statements)
        select schema_name, name, owner, depth, statements
        from ({{ data_angiogram.dependent_views(relations) }}) as views
        on conflict (schema_name, name) do nothing;
        perform set_config('search_path', path, true);
    end
    $note$
{%- endmacro %}
