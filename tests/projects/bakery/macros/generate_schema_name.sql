{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ 'dye_' if target.name in var('dye_targets') }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
