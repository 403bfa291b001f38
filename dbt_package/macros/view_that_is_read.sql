{#- Replaces a view that people's views read: in its place where it has its columns as before, and new ones behind them; else
as dbt's own materialization does it. -#}
{% macro view_that_is_read(existing) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set new = make_intermediate_relation(target_relation) -%}
    {%- set backup = make_backup_relation(target_relation, 'view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do drop_relation_if_exists(load_cached_relation(new)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(new, sql) }}
    {%- endcall -%}
    {%- set stays = data_angiogram._has_columns_of(new, existing) -%}
    {%- if stays -%}
        {%- call statement('main') -%}
            drop view {{ new }};
            {{ get_replace_view_sql(existing, sql) }}
        {%- endcall -%}
    {%- else -%}
        {%- do data_angiogram._put_in_place(existing, new, backup) -%}
    {%- endif -%}
    {%- do data_angiogram._grant_and_describe(existing, target_relation, stays) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return(data_angiogram._commit(target_relation, backup, stays)) }}
{%- endmacro %}

{% macro _has_columns_of(new, existing) -%}
    {%- set query -%}
        select
            not exists (
                select attnum, attname, atttypid, atttypmod, attcollation
                from pg_attribute where attrelid = {{ data_angiogram._regclass(existing) }} and attnum > 0
                except
                select attnum, attname, atttypid, atttypmod, attcollation
                from pg_attribute where attrelid = {{ data_angiogram._regclass(new) }}
            )
            and not exists (
                select 1 from pg_trigger where tgrelid = {{ data_angiogram._regclass(existing) }} and not tgisinternal
            )
            and not exists (
                select 1 from pg_rewrite where ev_class = {{ data_angiogram._regclass(existing) }} and ev_type <> '1'
            )
    {%- endset -%}
    {{ return(run_query(query).rows[0][0]) }}
{%- endmacro %}
