{#- Replaces a table that people's views read. The new one is built beside it; if both have the same shape, the rows move
over in one transaction, and the table, with all that depends on it, stays. Else the new one takes its place, as in dbt's
own materialization. Post-hooks see the new table under its name, as they do there. -#}
{% macro table_that_is_read(existing) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set new = make_intermediate_relation(target_relation) -%}
    {%- set backup = make_backup_relation(target_relation, 'table') -%}
    {%- do drop_relation_if_exists(load_cached_relation(new)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        {{ get_create_table_as_sql(False, new, sql) }}
    {%- endcall -%}
    {%- do create_indexes(new) -%}
    {%- set has_hooks = post_hooks | selectattr('transaction') | list | length > 0 -%}
    {%- if has_hooks -%}
        {%- do data_angiogram._put_in_place(existing, new, backup) -%}
        {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- endif -%}
    {%- set stays = data_angiogram.can_take_the_rows_of(*((backup, target_relation) if has_hooks else (existing, new))) -%}
    {%- if stays and has_hooks -%}
        {%- do adapter.rename_relation(target_relation, new) -%}
        {%- do adapter.rename_relation(backup, target_relation) -%}
    {%- endif -%}
    {%- if stays -%}
        {%- set columns = get_quoted_csv(adapter.get_columns_in_relation(new) | map(attribute='name')) -%}
        {%- set also_granted = run_query(data_angiogram._granted(new, target_relation)).columns[0].values() -%}
        {%- call statement('move_rows') -%}
            delete from {{ target_relation }};
            insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ new }};
            drop table {{ new }};
            {{ also_granted | join(';\n') }}
        {%- endcall -%}
    {%- elif not has_hooks -%}
        {%- do data_angiogram._put_in_place(existing, new, backup) -%}
    {%- endif -%}
    {%- do data_angiogram._grant_and_describe(existing, target_relation, stays) -%}
    {{ return(data_angiogram._commit(target_relation, backup, stays)) }}
{%- endmacro %}

{#- The relation goes aside, and the new one takes its name. -#}
{% macro _put_in_place(existing, new, backup) -%}
    {%- do adapter.rename_relation(existing, backup) -%}
    {%- do adapter.rename_relation(new, existing) -%}
{%- endmacro %}

{% macro _grant_and_describe(existing, target_relation, stays) -%}
    {%- set revokes = should_revoke(existing, full_refresh_mode=not stays) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=revokes) -%}
    {%- do persist_docs(target_relation, model) -%}
{%- endmacro %}

{#- Commits, drops what went aside, and says which relation there is. -#}
{% macro _commit(target_relation, backup, stays) -%}
    {%- do adapter.commit() -%}
    {%- if not stays -%}
        {%- do drop_relation_if_exists(backup) -%}
    {%- endif -%}
    {%- set had = run_query(data_angiogram._indexes(target_relation)).columns['oid'].values() | list -%}
    {%- do run_hooks(post_hooks, inside_transaction=False) -%}
    {%- if stays -%}
        {%- do data_angiogram._drop_repeated_indexes(target_relation, had) -%}
    {%- endif -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmacro %}

{#- Drops what a hook has just made though the relation had it: an index without a name is another one at each build. -#}
{% macro _drop_repeated_indexes(relation, had) -%}
    {%- set indexes = run_query(data_angiogram._indexes(relation)).rows -%}
    {%- set known = [] -%}
    {%- for index in indexes if index['oid'] in had -%}
        {%- do known.append(index['what']) -%}
    {%- endfor -%}
    {%- for index in indexes if index['oid'] not in had and index['what'] in known and not index['is_of_constraint'] -%}
        {%- call statement('drop_repeated_index', auto_begin=False) -%}
            drop index {{ index['name'] }};
            commit;
        {%- endcall -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _indexes(relation) -%}
    select
        indexrelid::bigint as oid,
        indexrelid::regclass::text as name,
        exists (select 1 from pg_constraint where conindid = indexrelid) as is_of_constraint,
        regexp_replace(pg_get_indexdef(indexrelid), ' INDEX .*? ON ', ' INDEX ON ') as what
    from pg_index
    where indrelid = {{ data_angiogram._regclass(relation) }}
{%- endmacro %}

{#- Whether anything of people's depends on a relation, outside the dye targets, where nobody's does. -#}
{% macro is_read_by_people(relation) -%}
    {%- if data_angiogram.is_dye_target() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set relations = [{'schema': relation.schema, 'identifier': relation.identifier}] -%}
    {{ return(run_query(
        'select exists (' ~ data_angiogram.dependent_views(relations) ~ ') or exists (' ~ data_angiogram.other_dependents(relations) ~ ')'
    ).rows[0][0]) }}
{%- endmacro %}

{#- Whether all that a new table has, the existing one has too: columns in their order, constraints, storage and indexes.
An index that somebody added to the existing one is no difference. Triggers, rules, policies and heirs of the existing one
would meddle with the rows, a foreign key on it would refuse the deletion. -#}
{% macro can_take_the_rows_of(existing, new) -%}
    {%- set query -%}
        with existing as (
            {{ data_angiogram._shape(existing) }}
        ),

        new as (
            {{ data_angiogram._shape(new) }}
        )

        select
            not exists (select * from new except all select * from existing)
            and not exists (select * from existing where part <> 'index' except all select * from new)
            and not exists (
                select 1 from pg_constraint where contype = 'f' and confrelid = {{ data_angiogram._regclass(existing) }}
            )
            and not exists (
                select 1 from pg_trigger
                where not tgisinternal and tgrelid in ({{ data_angiogram._regclass(existing) }}, {{ data_angiogram._regclass(new) }})
            )
            and not exists (
                select 1 from pg_rewrite where ev_class in ({{ data_angiogram._regclass(existing) }}, {{ data_angiogram._regclass(new) }})
            )
            and not exists (
                select 1 from pg_inherits where inhparent = {{ data_angiogram._regclass(existing) }}
            )
            and not exists (
                select 1 from pg_attribute
                where attrelid = {{ data_angiogram._regclass(existing) }} and (attgenerated <> '' or attidentity <> '')
            )
            and not exists (
                select 1 from pg_class
                where relrowsecurity and oid in ({{ data_angiogram._regclass(existing) }}, {{ data_angiogram._regclass(new) }})
            )
    {%- endset -%}
    {{ return(run_query(query).rows[0][0]) }}
{%- endmacro %}

{% macro _shape(relation) -%}
    {%- set oid = data_angiogram._regclass(relation) -%}
    select
        'column' as part,
        concat_ws(
            ' ', row_number() over (order by attnum), attname, format_type(atttypid, atttypmod), attnotnull, attcollation
        ) as what
    from pg_attribute
    where attrelid = {{ oid }} and attnum > 0 and not attisdropped
    union all
    select
        'constraint' as part,
        pg_get_constraintdef(oid) as what
    from pg_constraint
    where conrelid = {{ oid }} and contype <> 'n'
    union all
    select
        'index' as part,
        regexp_replace(pg_get_indexdef(indexrelid), ' INDEX .* USING ', ' INDEX USING ') as what
    from pg_index
    where indrelid = {{ oid }}
    union all
    select
        'storage' as part,
        concat_ws(' ', relpersistence, reltablespace, reloptions::text) as what
    from pg_class
    where oid = {{ oid }}
{%- endmacro %}

{#- What a hook granted on the new table, for the one that stays. -#}
{% macro _granted(new, target_relation) -%}
    select
        format(
            'grant %s on %s to %s%s',
            granted.privilege_type,
            {{ data_angiogram._literal(target_relation | string) }}::text,
            {{ data_angiogram._role('granted.grantee') }},
            case when granted.is_grantable then ' with grant option' end
        )
    from pg_class
    cross join lateral aclexplode(relacl) as granted
    where pg_class.oid = {{ data_angiogram._regclass(new) }} and granted.grantee <> relowner
{%- endmacro %}

{% macro _regclass(relation) -%}
    {{ data_angiogram._literal(relation | string) }}::regclass
{%- endmacro %}
