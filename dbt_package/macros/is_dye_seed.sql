{% macro is_dye_seed(node) -%}
    {%- set told = node.config.meta.get('dye') -%}
    {%- if told is none -%}
        {%- set folders = node.original_file_path.replace('\\', '/').split('/')[:-1] -%}
        {{ return(node.name.startswith('expected__') or 'input' in folders) }}
    {%- endif -%}
    {{ return(told) }}
{%- endmacro %}
