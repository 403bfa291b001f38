{#- What a model reads as the present time: the variable dye_clock under a dye target, the clock elsewhere. The time at
    which a snapshot is taken goes on under both, since its records are in the order of that time. -#}
{% macro frozen_clock(clock, type='timestamp with time zone') -%}
    {%- set moment = var('dye_clock', none) -%}
    {%- if moment is not none and data_angiogram.is_dye_target() and model.resource_type != 'snapshot' -%}
        cast(cast('{{ moment }}' as timestamp with time zone) as {{ type }})
    {%- else -%}
        {{ clock }}
    {%- endif -%}
{%- endmacro %}
