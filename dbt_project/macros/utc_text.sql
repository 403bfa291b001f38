{% macro utc_text(moment) -%}
    {{- adapter.dispatch('utc_text', 'taxi_angiogram')(moment) -}}
{%- endmacro %}

{% macro postgres__utc_text(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
{%- endmacro %}

{% macro duckdb__utc_text(moment) -%}
    strftime({{ moment }} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
{%- endmacro %}
