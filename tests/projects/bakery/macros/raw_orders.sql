{% macro raw_orders() -%}
    {{ ref('raw_orders') if target.name in var('dye_targets') else source('till', 'raw_orders') }}
{%- endmacro %}
