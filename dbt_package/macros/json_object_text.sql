{#- A JSON object of cells that are JSON text, written as PostgreSQL's jsonb writes it: short names first. -#}
{%- macro json_object_text(columns, prefix='') -%}
    '{' ||
    {%- for column in columns | sort(attribute='name') | sort(attribute='length') %}
    {%- set name = column.name | replace('\\', '\\\\') | replace('"', '\\"') %}
    {{ data_angiogram.portable_literal('"' ~ name ~ '": ') }} || {{ prefix ~ column.cell if 'value' in column else column.cell }} ||
    {%- if not loop.last %} ', ' ||{% endif %}
    {%- endfor %}
    '}'
{%- endmacro -%}

{%- macro portable_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro -%}
