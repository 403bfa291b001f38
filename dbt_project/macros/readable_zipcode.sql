{% macro readable_zipcode(column) -%}
    case when {{ column }} ~ '^[0-9]{5}$' then {{ column }} end
{%- endmacro %}
