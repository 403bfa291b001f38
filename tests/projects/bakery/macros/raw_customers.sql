{% macro raw_customers() -%}
    {{ ref('raw_customers') if target.name in var('dye_targets') else source('till', 'raw_customers') }}
{%- endmacro %}
