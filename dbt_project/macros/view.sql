{#- dbt's own view, but for one thing: one that people's views read is replaced in its place. -#}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_view and data_angiogram.is_read_by_people(existing) -%}
        {{ return(data_angiogram.view_that_is_read(existing)) }}
    {%- endif -%}
    {{ return(dbt.materialization_view_default()) }}
{% endmaterialization %}
