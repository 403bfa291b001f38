{#- The views that people made on relations, and the views on these, with the statements that make each again. -#}
{% macro dependent_views(relations) -%}
    with recursive replaced as (
        {{ data_angiogram._oids_of(relations) }}
    ),

    project as (
        {{ data_angiogram._oids_of(data_angiogram.project_relations()) }}
    ),

    reads as (
        select distinct
            pg_rewrite.ev_class as reader,
            pg_depend.refobjid as read
        from pg_depend
        inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid
        where
            pg_depend.classid = 'pg_rewrite'::regclass
            and pg_rewrite.ev_type = '1' -- what a view selects: other rules may go in a circle
            and pg_depend.refclassid = 'pg_class'::regclass
            and pg_rewrite.ev_class <> pg_depend.refobjid
    ),

    readers (oid, depth) as (
        select
            reads.reader,
            1
        from reads
        inner join replaced on reads.read = replaced.oid
        union
        select
            reads.reader,
            readers.depth + 1
        from readers
        inner join reads on readers.oid = reads.read
    ),

    views as (
        select
            pg_class.oid,
            pg_class.relacl,
            pg_class.relowner,
            pg_class.relkind,
            pg_class.relispopulated,
            pg_class.reloptions,
            pg_namespace.oid as schema_oid,
            pg_namespace.nspname::text as schema_name,
            pg_class.relname::text as name,
            pg_get_userbyid(pg_class.relowner)::text as owner,
            format('%I.%I', pg_namespace.nspname, pg_class.relname) as relation,
            case pg_class.relkind when 'm' then 'materialized view' else 'view' end as kind,
            max(readers.depth) as depth
        from readers
        inner join pg_class on readers.oid = pg_class.oid
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where pg_class.relkind in ('v', 'm') and pg_class.oid not in (select project.oid from project)
        group by pg_class.oid, pg_namespace.oid
    )

    select
        schema_name,
        name,
        relation,
        owner,
        depth,
        array_remove(
            array[
                format(
                    'create %s %s%s as %s%s',
                    kind,
                    relation,
                    ' with (' || array_to_string(reloptions, ', ') || ')',
                    rtrim(pg_get_viewdef(oid), ';'),
                    case when relkind = 'm' and not relispopulated then ' with no data' end
                ),
                format('comment on %s %s is %L', kind, relation, nullif(obj_description(oid, 'pg_class'), ''))
            ]
            || array(
                select pg_get_indexdef(indexrelid)
                from pg_index
                where indrelid = views.oid
                order by indexrelid
            )
            || array(
                select pg_get_statisticsobjdef(pg_statistic_ext.oid)
                from pg_statistic_ext
                where stxrelid = views.oid
                order by pg_statistic_ext.oid
            )
            || array(
                select pg_get_ruledef(pg_rewrite.oid)
                from pg_rewrite
                where ev_class = views.oid and rulename <> '_RETURN'
                order by pg_rewrite.oid
            )
            || array(
                select pg_get_triggerdef(pg_trigger.oid)
                from pg_trigger
                where tgrelid = views.oid and not tgisinternal
                order by pg_trigger.oid
            )
            || array(
                select format('alter view %s alter column %I set default %s', relation, attname, pg_get_expr(adbin, adrelid))
                from pg_attrdef
                inner join pg_attribute on pg_attrdef.adrelid = attrelid and pg_attrdef.adnum = attnum
                where adrelid = views.oid
                order by adnum
            )
            || array(
                select format('comment on column %s.%I is %L', relation, attname, col_description(attrelid, attnum))
                from pg_attribute
                where attrelid = views.oid and col_description(attrelid, attnum) is not null
                order by attnum
            )
            || array(
                select distinct format('revoke all on %s from %s', relation, {{ data_angiogram._role('granted.grantee') }})
                from pg_default_acl
                cross join lateral aclexplode(defaclacl) as granted
                where
                    defaclobjtype = 'r'
                    and defaclrole = views.relowner
                    and defaclnamespace in (0, views.schema_oid)
                    and granted.grantee <> views.relowner
            )
            || array(
                select
                    format(
                        'grant %s on %s to %s%s',
                        granted.privilege_type,
                        relation,
                        {{ data_angiogram._role('granted.grantee') }},
                        case when granted.is_grantable then ' with grant option' end
                    )
                from aclexplode(relacl) as granted
                where granted.grantee <> relowner
            )
            || array(
                select
                    format(
                        'grant %s (%I) on %s to %s%s',
                        granted.privilege_type,
                        attname,
                        relation,
                        {{ data_angiogram._role('granted.grantee') }},
                        case when granted.is_grantable then ' with grant option' end
                    )
                from pg_attribute
                cross join lateral aclexplode(attacl) as granted
                where attrelid = views.oid and granted.grantee <> views.relowner
            ),
            null
        ) as statements
    from views
{%- endmacro %}

{% macro _role(oid) -%}
    case {{ oid }} when 0 then 'public' else quote_ident(pg_get_userbyid({{ oid }})) end
{%- endmacro %}

{#- What else people made on relations or on the views on them, and what goes with these: functions, rules, foreign keys,
policies, columns of a row's type. -#}
{% macro other_dependents(relations) -%}
    with replaced as (
        {{ data_angiogram._oids_of(relations) }}
    ),

    project as (
        {{ data_angiogram._oids_of(data_angiogram.project_relations()) }}
    )

    select distinct pg_describe_object(pg_depend.classid, pg_depend.objid, pg_depend.objsubid) as what
    from replaced
    inner join pg_class on replaced.oid = pg_class.oid
    left join pg_type on pg_class.reltype = pg_type.oid
    inner join
        pg_depend
        on
            (pg_depend.refclassid = 'pg_class'::regclass and pg_depend.refobjid = pg_class.oid)
            or (pg_depend.refclassid = 'pg_type'::regclass and pg_depend.refobjid in (pg_type.oid, pg_type.typarray))
    left join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
    left join pg_constraint on pg_depend.classid = 'pg_constraint'::regclass and pg_depend.objid = pg_constraint.oid
    where
        pg_depend.deptype = 'n'
        and pg_depend.classid in (
            'pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_policy'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass
        )
        and pg_rewrite.ev_type is distinct from '1'
        and coalesce(pg_constraint.conrelid, 0) not in (select project.oid from project)
        and not (pg_depend.classid = 'pg_class'::regclass and pg_depend.objid in (select project.oid from project))
{%- endmacro %}

{#- What people made on tables themselves, which goes with these: triggers, rules and policies. -#}
{% macro own_dependents(relations) -%}
    select pg_describe_object(pg_depend.classid, pg_depend.objid, 0) as what
    from pg_depend
    inner join pg_class on pg_depend.refclassid = 'pg_class'::regclass and pg_depend.refobjid = pg_class.oid
    left join pg_trigger on pg_depend.classid = 'pg_trigger'::regclass and pg_depend.objid = pg_trigger.oid
    left join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
    where
        pg_class.oid in (
            {{ data_angiogram._oids_of(relations) }}
        )
        and pg_depend.deptype = 'a'
        and (
            (pg_trigger.oid is not null and not pg_trigger.tgisinternal)
            or (pg_rewrite.oid is not null and pg_rewrite.rulename <> '_RETURN')
            or pg_depend.classid = 'pg_policy'::regclass
        )
{%- endmacro %}

{% macro project_relations() -%}
    {%- set relations = [] -%}
    {%- for node in graph.nodes.values() if node.relation_name -%}
        {%- do relations.append({'schema': node.schema, 'identifier': node.alias}) -%}
    {%- endfor -%}
    {{ return(relations) }}
{%- endmacro %}

{% macro _oids_of(relations) -%}
    select pg_class.oid
    from pg_class
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        (pg_namespace.nspname, pg_class.relname) in (
            (null, null)
            {%- for relation in relations %},
            ({{ data_angiogram._literal(relation.schema) }}, {{ data_angiogram._literal(relation.identifier) }})
            {%- endfor %}
        )
{%- endmacro %}

{% macro _literal(text) -%}
    {{ dbt.string_literal(dbt.escape_single_quotes(text)) }}
{%- endmacro %}
