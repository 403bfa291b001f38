{#- What a model reads: the dye under a dye target, the source elsewhere. No model knows which. -#}
{% macro dye_or_source(seed, source_name, table_name) -%}
    {{ return(ref(seed) if data_angiogram.is_dye_target() else source(source_name, table_name)) }}
{%- endmacro %}
