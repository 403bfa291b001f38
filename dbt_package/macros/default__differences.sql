{#- Asks the engine for the columns of both sides, which the SQL lists. -#}
{%- macro default__differences(
    actual, expected, key, excluded, where=none, only=[], precision={}, types=true, column_order=false
) -%}
    {%- set sides = [] -%}
    {%- for relation in [actual, expected] -%}
        {%- set columns = [] -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- set _ = columns.append({'name': column.name, 'type': column.data_type}) -%}
        {%- endfor -%}
        {%- set _ = sides.append(columns) -%}
    {%- endfor -%}
    {{- data_angiogram.portable_differences(
        actual, expected, key, excluded, where, sides[0], sides[1], only, precision, types, column_order
    ) -}}
{%- endmacro -%}
