{% macro raw(name) %}{{ ref('raw_' ~ name) if is_dye_target() else source('shop', name) }}{% endmacro %}
