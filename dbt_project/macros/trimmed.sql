{% macro trimmed(column) -%}
    {{- adapter.dispatch('trimmed', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__trimmed(column) -%}
    nullif(btrim({{ column }}, e' \t\n\r\x0b\f'), '')
{%- endmacro %}

{% macro duckdb__trimmed(column) -%}
    nullif(trim({{ column }}, e' \t\n\r\x0b\f'), '')
{%- endmacro %}
