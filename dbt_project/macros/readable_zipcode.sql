{% macro readable_zipcode(column) -%}
    {{- adapter.dispatch('readable_zipcode', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__readable_zipcode(column) -%}
    case when {{ column }} ~ '^[0-9]{5}$' then {{ column }} end
{%- endmacro %}

{% macro duckdb__readable_zipcode(column) -%}
    case when regexp_matches({{ column }}, '^[0-9]{5}$') then {{ column }} end
{%- endmacro %}
