{% macro comparable_car_model(column) -%}
    lower(regexp_replace({{ column }}, '[ \t\n\r\v\f]', '', 'g'))
{%- endmacro %}
