{% macro raw_customers() -%}
    {{ data_angiogram.dye_or_source('raw_customers', 'till', 'raw_customers') }}
{%- endmacro %}
