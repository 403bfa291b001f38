{% macro readable_amount(column) -%}
    case when {{ column }} ~ '^[+-]?[0-9]{1,16}([.][0-9]{1,4})?$' then {{ column }}::numeric end
{%- endmacro %}
