{% macro raw_orders() -%}
    {{ data_angiogram.dye_or_source('raw_orders', 'till', 'raw_orders') }}
{%- endmacro %}
