{% macro comparable_car_model(column) -%}
    {{- adapter.dispatch('comparable_car_model', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__comparable_car_model(column) -%}
    lower(regexp_replace({{ column }}, '[ \t\n\r\v\f]', '', 'g'))
{%- endmacro %}

{% macro duckdb__comparable_car_model(column) -%}
    lower(translate({{ column }}, e' \t\n\r\x0b\f', ''))
{%- endmacro %}
