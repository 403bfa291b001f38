{% macro raw(name) %}{{ ref('raw_' ~ name) if data_angiogram.is_dye_target() else source('shop', name) }}{% endmacro %}
