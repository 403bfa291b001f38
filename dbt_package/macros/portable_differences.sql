{#-
    The comparison of a table with what it should hold, for engines that cannot look up columns within a statement.

    Each cell is compared as the JSON text that PostgreSQL's jsonb has for it: 12.50 equals 12.5, null is not an empty
    text, times are in UTC. Rows of both sides are counted by their cells; those whose numbers differ are unequal.
-#}
{%- macro portable_differences(
    actual, expected, key, excluded, where, actual_columns, expected_columns, only=[], precision={}, types=true,
    column_order=false
) -%}
{%- set actual_types, expected_types, names, none_text = {}, {}, [], 'cast(null as varchar)' -%}
{%- for column in actual_columns if column.name not in excluded and (not only or column.name in only + key) -%}
    {%- set _ = actual_types.update({column.name: column.type}) -%}
    {%- set _ = names.append(column.name) -%}
{%- endfor -%}
{%- for column in expected_columns if column.name not in excluded and (not only or column.name in only + key) -%}
    {%- set _ = expected_types.update({column.name: column.type}) -%}
    {%- if column.name not in actual_types -%}{%- set _ = names.append(column.name) -%}{%- endif -%}
{%- endfor -%}
{%- set shared, keys = [], [] -%}
{%- set actual_order = actual_types | select('in', expected_types) | list -%}
{%- set expected_order = expected_types | select('in', actual_types) | list -%}
{%- for name in names if name in actual_types and name in expected_types -%}
    {%- set _ = shared.append({
        'name': name, 'length': name.encode() | length, 'value': 'compared.' ~ data_angiogram.quoted_name(name),
        'cell': 'cell_' ~ loop.index,
    }) -%}
{%- endfor -%}
{%- for name in key -%}
    {%- set found = shared | selectattr('name', 'equalto', name) | list -%}
    {%- set _ = keys.append(found[0] if found else {
        'name': name, 'length': name.encode() | length, 'cell': "'null'"
    }) -%}
{%- endfor -%}
with both_sides as (
    select
        {%- for column in shared %}
        coalesce({{ data_angiogram.rounded_json_text(column.value, expected_types[column.name], precision[column.name]) }}, 'null') as {{ column.cell }},
        {%- endfor %}
        1 as expected_copies,
        0 as actual_copies
    from {{ expected }} as compared

    union all

    select
        {%- for column in shared %}
        coalesce({{ data_angiogram.rounded_json_text(column.value, actual_types[column.name], precision[column.name]) }}, 'null') as {{ column.cell }},
        {%- endfor %}
        0 as expected_copies,
        1 as actual_copies
    from {{ actual }} as compared
    {%- if where %}
    where
        {{ where }}
    {%- endif %}
),

counted_rows as (
    select
        {%- for column in shared %}
        {{ column.cell }},
        {%- endfor %}
        cast(sum(expected_copies) as bigint) as expected_copies,
        cast(sum(actual_copies) as bigint) as actual_copies
    from both_sides
    {%- if shared %}
    group by {{ shared | map(attribute='cell') | join(', ') }}
    {%- endif %}
    having sum(expected_copies) <> sum(actual_copies)
),

unequal_rows as (
    select
        *,
        {{ data_angiogram.json_object_text(keys) }} as row_key
    from counted_rows
),

-- Rows found on one side alone; they count by copy, so that a doubled row is never paired.
unmatched_rows as (
    select
        *,
        sum(expected_copies) over (partition by row_key) = 1
        and sum(actual_copies) over (partition by row_key) = 1 as is_paired
    from unequal_rows
    where expected_copies = 0 or actual_copies = 0
),

pairs as (
    select
        {%- for column in shared %}
        missing_rows.{{ column.cell }} as expected_{{ column.cell }},
        unexpected_rows.{{ column.cell }} as actual_{{ column.cell }},
        {%- endfor %}
        missing_rows.row_key
    from unmatched_rows as missing_rows
    inner join unmatched_rows as unexpected_rows on missing_rows.row_key = unexpected_rows.row_key
    where
        missing_rows.is_paired
        and unexpected_rows.is_paired
        and missing_rows.actual_copies = 0
        and unexpected_rows.expected_copies = 0
),

one_sided as (
    {{ adapter.dispatch('each_copy', 'data_angiogram')(shared) }}
),

all_differences as (
    {%- for name in names if actual_types.get(name) != expected_types.get(name) and (types or name not in actual_order) %}
    select
        {%- set kind = 'missing' if name not in actual_types else 'unexpected' if name not in expected_types else 'changed' %}
        '{{ kind }}' as difference,
        {{ none_text }} as row_key,
        {{ data_angiogram.portable_literal(name) }} as column_name,
        {{ data_angiogram.portable_literal(expected_types[name]) if name in expected_types else none_text }} as expected,
        {{ data_angiogram.portable_literal(actual_types[name]) if name in actual_types else none_text }} as actual

    union all
    {% endfor %}
    {%- for name in expected_order if column_order and actual_order.index(name) != expected_order.index(name) %}
    select
        'changed' as difference,
        {{ none_text }} as row_key,
        {{ data_angiogram.portable_literal(name) }} as column_name,
        'place {{ expected_order.index(name) + 1 }}' as expected,
        'place {{ actual_order.index(name) + 1 }}' as actual

    union all
    {% endfor %}
    {%- for column in shared %}
    select
        'changed' as difference,
        row_key,
        {{ data_angiogram.portable_literal(column.name) }} as column_name,
        expected_{{ column.cell }} as expected,
        actual_{{ column.cell }} as actual
    from pairs
    where expected_{{ column.cell }} <> actual_{{ column.cell }}

    union all
    {% endfor %}
    select
        'multiplicity' as difference,
        row_key,
        {{ none_text }} as column_name,
        cast(expected_copies as varchar) as expected,
        cast(actual_copies as varchar) as actual
    from unequal_rows
    where expected_copies > 0 and actual_copies > 0

    union all

    select
        case when one_sided.actual_copies = 0 then 'missing' else 'unexpected' end as difference,
        one_sided.row_key,
        {{ none_text }} as column_name,
        case when one_sided.actual_copies = 0 then one_sided.content end as expected,
        case when one_sided.expected_copies = 0 then one_sided.content end as actual
    from one_sided
)

select
    difference,
    row_key,
    column_name,
    expected,
    actual
from all_differences
order by row_key nulls first, column_name, difference, expected, actual
{%- endmacro -%}

{#- The unmatched rows that have no partner, each as often as it was found. In plain SQL that takes another look at both
sides. -#}
{%- macro default__each_copy(columns) -%}
    select
        unmatched_rows.row_key,
        unmatched_rows.expected_copies,
        unmatched_rows.actual_copies,
        {{ data_angiogram.json_object_text(columns, 'unmatched_rows.') }} as content
    from unmatched_rows
    inner join both_sides
        on
            {%- for column in columns %}
            unmatched_rows.{{ column.cell }} = both_sides.{{ column.cell }}{{ ' and' if not loop.last }}
            {%- else %}
            1 = 1
            {%- endfor %}
    where not unmatched_rows.is_paired
{%- endmacro -%}

{%- macro duckdb__each_copy(columns) -%}
    select
        row_key,
        expected_copies,
        actual_copies,
        {{ data_angiogram.json_object_text(columns) }} as content,
        unnest(range(expected_copies + actual_copies))
    from unmatched_rows
    where not is_paired
{%- endmacro -%}

{#- A value as JSON text, a number rounded to so many decimals. -#}
{%- macro rounded_json_text(value, type, decimals) -%}
    {%- set kind = type | upper -%}
    {%- if decimals is defined and kind.startswith(('DECIMAL', 'NUMERIC', 'DOUBLE', 'FLOAT', 'REAL')) -%}
        {{ data_angiogram.json_text('round(' ~ value ~ ', ' ~ decimals ~ ')', type) }}
    {%- else -%}
        {{ data_angiogram.json_text(value, type) }}
    {%- endif -%}
{%- endmacro -%}
