{% macro comparable_car_model(column) -%}
    {{- adapter.dispatch('comparable_car_model', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__comparable_car_model(column) -%}
    lower(regexp_replace({{ column }}, '[ \t\n\r\v\f]', '', 'g'))
{%- endmacro %}

{% macro duckdb__comparable_car_model(column) -%}
    lower(translate({{ column }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13), ''))
{%- endmacro %}
