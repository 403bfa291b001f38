{#- An identifier in quotes, whatever characters are in it; dbt's own adapter.quote leaves quotes within it alone. -#}
{%- macro quoted_name(name) -%}
    {{- adapter.dispatch('quoted_name', 'data_angiogram')(name) -}}
{%- endmacro -%}

{%- macro default__quoted_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro -%}
