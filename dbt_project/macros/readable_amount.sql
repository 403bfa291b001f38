{% macro readable_amount(column) -%}
    {{- adapter.dispatch('readable_amount', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__readable_amount(column) -%}
    case when {{ column }} ~ '^[+-]?[0-9]{1,16}([.][0-9]{1,4})?$' then {{ column }}::numeric end
{%- endmacro %}

{% macro duckdb__readable_amount(column) -%}
    case when regexp_matches({{ column }}, '^[+-]?[0-9]{1,16}([.][0-9]{1,4})?$') then {{ column }}::decimal(20, 4) end
{%- endmacro %}
