{% macro trimmed(column) -%}
    nullif(btrim({{ column }}, e' \t\n\r\x0b\f'), '')
{%- endmacro %}
