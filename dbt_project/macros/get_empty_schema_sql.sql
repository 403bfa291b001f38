{#-
    dbt's own macro warns of every contract with a bare numeric. In PostgreSQL that type is exact, and a precision would
    round, so there is nothing to warn of.
-#}
{% macro postgres__get_empty_schema_sql(columns) -%}
    select
    {%- for column in columns.values() %}
        {{ cast('null', column['data_type']) }} as {{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}
        {{- ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
