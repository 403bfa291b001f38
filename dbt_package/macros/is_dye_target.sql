{% macro is_dye_target() -%}
    {%- set targets = var('dye_targets', ['angiogram']) -%}
    {{ return(target.name in ([targets] if targets is string else targets)) }}
{%- endmacro %}
