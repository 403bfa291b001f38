{#- dbt's own incremental table, but for one thing: one that people's views read stays in a full refresh, and its rows are
replaced. -#}
{% materialization incremental, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if
        existing is not none and existing.is_table and should_full_refresh()
        and config.get('incremental_strategy') != 'microbatch' and data_angiogram.is_read_by_people(existing)
    -%}
        {{ return(data_angiogram.table_that_is_read(existing)) }}
    {%- endif -%}
    {{ return(dbt.materialization_incremental_default()) }}
{% endmaterialization %}
