{#- dbt's own table, but for two things: a published one stays as it is while the marts are held, and one that people's views
read stays, and its rows are replaced. -#}
{% materialization table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if config.get('meta', {}).get('published') -%}
        {%- set reason = data_angiogram.held_because() -%}
        {%- if reason and existing is not none -%}
            {%- do log(this.identifier ~ ' is not rebuilt: ' ~ reason, info=true) -%}
            {%- call noop_statement('main', data_angiogram.held_message()) -%}
                {{ sql }}
            {%- endcall -%}
            {{ return({'relations': [existing]}) }}
        {%- endif -%}
    {%- endif -%}
    {%- if existing is not none and existing.is_table and data_angiogram.is_read_by_people(existing) -%}
        {{ return(data_angiogram.table_that_is_read(existing)) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_default()) }}
{% endmaterialization %}
