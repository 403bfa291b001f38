{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ 'dye_' if data_angiogram.is_dye_target() }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
