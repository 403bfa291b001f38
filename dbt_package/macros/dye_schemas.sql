{#-
    Whose are the schemas that a dbt target would write? One SQL text for the hook keep_dye_apart and for the `angiogram`
    command, which renders this file with plain Jinja. So no dbt function may be used here.

    A schema is the dye's if its comment has the line "angiogram: dye of <project> under target <target>".
-#}

{%- macro first_ten(text) -%}
    array_to_string((array_agg({{ text }} order by {{ text }}))[1:10], ', ')
    || case when count(*) > 10 then format(' and %s more', count(*) - 10) else '' end
{%- endmacro -%}

{%- macro dye_schemas(asked) -%}
with asked as (
    select '{{ asked | tojson }}'::jsonb as content
),

-- As PostgreSQL cuts names that are too long: two of them may be one.
written as (
    select
        names[cardinality(names) - 1] as schema_name,
        names[cardinality(names)] as relation_name,
        is_expected,
        is_built
    from (
        select
            parse_ident(relation ->> 'relation')::name[]::text[] as names,
            (relation ->> 'is_expected')::boolean as is_expected,
            (relation ->> 'is_built')::boolean as is_built
        from asked
        cross join jsonb_array_elements(asked.content -> 'relations') as relation
    ) as parsed
),

-- What other targets write or read, as far as it is known. It is not certain where nothing shows that they do so in this
-- database.
live as (
    select
        names[cardinality(names) - 1] as schema_name,
        names[cardinality(names)] as relation_name,
        used_by,
        is_certain
    from (
        select
            parse_ident(relation ->> 'relation')::name[]::text[] as names,
            relation ->> 'used_by' as used_by,
            (relation ->> 'is_certain')::boolean as is_certain
        from asked
        cross join jsonb_array_elements(asked.content -> 'live') as relation
    ) as parsed
),

schemas as (
    select
        named.schema_name,
        named.is_built,
        pg_namespace.oid as schema_oid,
        pg_get_userbyid(pg_namespace.nspowner)::text as owner,
        coalesce(pg_has_role(pg_namespace.nspowner, 'usage'), false) as is_owner,
        coalesce(
            has_schema_privilege(pg_namespace.oid, 'create') and has_schema_privilege(pg_namespace.oid, 'usage'),
            has_database_privilege(current_database(), 'create')
        ) as may_create,
        obj_description(pg_namespace.oid, 'pg_namespace') as comment,
        substring(obj_description(pg_namespace.oid, 'pg_namespace') from '(?n)^angiogram: dye of (\S+)') as marked_for
    from (
        select
            schema_name,
            bool_or(is_built) as is_built
        from written
        group by schema_name
    ) as named
    left join pg_catalog.pg_namespace on pg_namespace.nspname = named.schema_name
),

found as (
    select
        schemas.schema_name,
        pg_class.relname::text as relation_name,
        pg_has_role(pg_class.relowner, 'usage') as is_own,
        -- dbt builds a table or a view beside the old one first; a build that was killed leaves it there.
        (
            select coalesce(bool_or(written.is_expected), false)
            from written
            where written.schema_name = schemas.schema_name and written.relation_name = pg_class.relname
        ) as is_expected,
        exists (
            select 1
            from written
            where
                written.schema_name = schemas.schema_name
                and (
                    written.relation_name = pg_class.relname
                    or (
                        pg_class.relname ~ '__dbt_(tmp|backup)[0-9_]*$'
                        and starts_with(
                            written.relation_name, regexp_replace(pg_class.relname, '__dbt_(tmp|backup)[0-9_]*$', '')
                        )
                    )
                )
        ) as is_written,
        exists (
            select 1
            from jsonb_array_elements_text(asked.content -> 'built_before') as built_before (name)
            where pg_class.relname = built_before.name
        ) as was_written
    from schemas
    cross join asked
    inner join pg_catalog.pg_class on schemas.schema_oid = pg_class.relnamespace
    where
        pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
        and not pg_class.relispartition
        and not exists (
            select 1
            from pg_catalog.pg_depend
            where
                pg_depend.classid = 'pg_catalog.pg_class'::regclass
                and pg_depend.objid = pg_class.oid
                and pg_depend.deptype = 'e'
        )
),

-- Whether a schema may be of a dye run before there were marks: that loaded expected seeds. As live targets may have
-- loaded them too, the schema's name must be the dye's, or the tables must hold what the dye expects.
named as (
    select
        schemas.*,
        asked.content ->> 'project' as project,
        asked.content ->> 'target' as target,
        (asked.content ->> 'is_alike')::boolean as is_alike,
        (
            (asked.content ->> 'is_alike')::boolean
            or exists (
                select 1
                from jsonb_array_elements_text(asked.content -> 'own') as own (name)
                where schemas.schema_name = own.name
            )
            or exists (
                select 1
                from jsonb_array_elements_text(asked.content -> 'own_beginnings') as own (name)
                where
                    starts_with(schemas.schema_name || '_', own.name || '_')
                    and schemas.schema_name is distinct from asked.content ->> 'perhaps_live'
            )
        )
        and exists (select 1 from found where found.is_expected) as may_be_adopted
    from schemas
    cross join asked
),

states as (
    select
        named.*,
        case
            when exists (select 1 from live where live.schema_name = named.schema_name and live.is_certain) then 'live'
            when named.schema_oid is null then 'absent'
            when named.marked_for = named.project then 'ours'
            when named.marked_for is not null then 'other_project'
            when not named.is_alike and exists (select 1 from live where live.schema_name = named.schema_name)
                then 'maybe_live'
            when not exists (select 1 from found where found.schema_name = named.schema_name) then 'empty'
            when
                named.may_be_adopted
                and not exists (
                    select 1
                    from found
                    where found.schema_name = named.schema_name and not found.is_written and not found.was_written
                )
                then 'adopted'
            else 'foreign'
        end as state
    from named
)

select
    states.schema_name,
    states.state,
    states.is_built,
    states.owner,
    states.is_owner,
    states.may_create,
    states.marked_for,
    concat_ws(e'\n', states.comment, format('angiogram: dye of %s under target %s', states.project, states.target)) as marked_comment,
    case
        when states.state in ('live', 'maybe_live')
            then coalesce(
                (
                    select {{ data_angiogram.first_ten("format('%s.%s (%s)', live.schema_name, live.relation_name, live.used_by)") }}
                    from live
                    inner join written
                        on live.schema_name = written.schema_name and live.relation_name = written.relation_name
                    where live.schema_name = states.schema_name
                    having count(*) > 0
                ),
                (
                    select format('schema %s (%s)', states.schema_name, string_agg(distinct live.used_by, ', '))
                    from live
                    where live.schema_name = states.schema_name
                )
            )
        when states.state = 'other_project'
            then format('schema %s (the dye of project %s)', states.schema_name, states.marked_for)
        when states.state = 'foreign' and states.may_be_adopted
            then (
                select
                    format(
                        'schema %s (it holds %s, which this project does not build)',
                        states.schema_name, {{ data_angiogram.first_ten('found.relation_name') }}
                    )
                from found
                where found.schema_name = states.schema_name and not found.is_written and not found.was_written
            )
        when states.state = 'foreign'
            then coalesce(
                (
                    select {{ data_angiogram.first_ten("format('%s.%s', found.schema_name, found.relation_name)") }}
                    from found
                    where found.schema_name = states.schema_name and found.is_written
                    having count(*) > 0
                ),
                (
                    select format('schema %s (it holds %s)', states.schema_name, {{ data_angiogram.first_ten('found.relation_name') }})
                    from found
                    where found.schema_name = states.schema_name
                )
            )
    end as told,
    (
        select {{ data_angiogram.first_ten("format('%s.%s', found.schema_name, found.relation_name)") }}
        from found
        where found.schema_name = states.schema_name and found.is_written and not found.is_own
        having count(*) > 0
    ) as owned_by_others
from states
order by states.schema_name
{%- endmacro -%}
