{#-
    The comparison of a table with what it should hold, for engines that cannot look up columns within a statement. Plain
    Jinja: no dbt function is used here.

    Each cell is compared as the JSON text that PostgreSQL's jsonb has for it: 12.50 equals 12.5, null is no empty text,
    times are in UTC.
-#}

{%- macro portable_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro -%}

{%- macro portable_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro -%}

{#- A value of a type as JSON text; null stays null. -#}
{%- macro json_text(value, type) -%}
    {%- set kind = type | upper -%}
    {%- if kind.endswith(']') or kind.startswith(('STRUCT', 'MAP', 'UNION', 'JSON', 'VARIANT')) -%}
        cast(to_json({{ value }}) as varchar)
    {%- elif kind == 'BOOLEAN' -%}
        cast({{ value }} as varchar)
    {%- elif kind.endswith('INT') or kind.endswith('INTEGER') or kind == 'BIGNUM' -%}
        cast({{ value }} as varchar)
    {%- elif kind.startswith(('DECIMAL', 'NUMERIC')) -%}
        case
            when contains(cast({{ value }} as varchar), '.')
                then rtrim(rtrim(cast({{ value }} as varchar), '0'), '.')
            else cast({{ value }} as varchar)
        end
    {%- elif kind in ('DOUBLE', 'FLOAT', 'REAL') -%}
        case
            when isnan({{ value }}) then '"NaN"'
            when isinf({{ value }}) then case when {{ value }} > 0 then '"Infinity"' else '"-Infinity"' end
            when {{ value }} = 0 then '0'
            when contains(cast({{ value }} as varchar), 'e')
                then cast({{ value }} as varchar)
            else regexp_replace(cast({{ value }} as varchar), '\.0$', '')
        end
    {%- elif kind in ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ') -%}
        case
            when isinf({{ value }}) then '"' || cast({{ value }} as varchar) || '"'
            else '"' || replace(cast(timezone('UTC', {{ value }}) as varchar), ' ', 'T') || '+00:00"'
        end
    {%- elif kind.startswith('TIMESTAMP') -%}
        '"' || replace(cast({{ value }} as varchar), ' ', 'T') || '"'
    {%- else -%}
        cast(to_json(cast({{ value }} as varchar)) as varchar)
    {%- endif -%}
{%- endmacro -%}

{#- A JSON object of cells that are JSON text, written as PostgreSQL's jsonb writes it: short names first. -#}
{%- macro json_object_text(columns, prefix='') -%}
    '{' ||
    {%- for column in columns | sort(attribute='name') | sort(attribute='length') %}
    {{ portable_literal(column.json_name ~ ': ') }} || coalesce({{ prefix }}{{ column.cell }}, 'null') ||
    {%- if not loop.last %} ', ' ||{% endif %}
    {%- endfor %}
    '}'
{%- endmacro -%}

{%- macro portable_differences(actual, expected, key, excluded, where, actual_columns, expected_columns) -%}
{%- set actual_types, expected_types, names = {}, {}, [] -%}
{%- for column in actual_columns if column.name not in excluded -%}
    {%- set _ = actual_types.update({column.name: column.type}) -%}
    {%- set _ = names.append(column.name) -%}
{%- endfor -%}
{%- for column in expected_columns if column.name not in excluded -%}
    {%- set _ = expected_types.update({column.name: column.type}) -%}
    {%- if column.name not in actual_types -%}{%- set _ = names.append(column.name) -%}{%- endif -%}
{%- endfor -%}
{%- set shared, keys = [], [] -%}
{%- for name in names if name in actual_types and name in expected_types -%}
    {%- set json_name = name | replace('\\', '\\\\') | replace('"', '\\"') -%}
    {%- set _ = shared.append({
        'name': name, 'json_name': '"' ~ json_name ~ '"', 'length': name.encode() | length, 'cell': 'cell_' ~ loop.index
    }) -%}
{%- endfor -%}
{%- for name in key -%}
    {%- set found = shared | selectattr('name', 'equalto', name) | list -%}
    {%- set json_name = name | replace('\\', '\\\\') | replace('"', '\\"') -%}
    {%- set _ = keys.append(found[0] if found else {
        'name': name, 'json_name': '"' ~ json_name ~ '"', 'length': name.encode() | length, 'cell': "'null'"
    }) -%}
{%- endfor -%}
with both_sides as (
    select
        {%- for column in shared %}
        {{ json_text(portable_name(column.name), expected_types[column.name]) }} as {{ column.cell }},
        {%- endfor %}
        1 as expected_copies,
        0 as actual_copies
    from {{ expected }}

    union all

    select
        {%- for column in shared %}
        {{ json_text(portable_name(column.name), actual_types[column.name]) }} as {{ column.cell }},
        {%- endfor %}
        0 as expected_copies,
        1 as actual_copies
    from {{ actual }}
    {%- if where %}
    where
        {{ where }}
    {%- endif %}
),

unequal_rows as (
    select
        {%- for column in shared %}
        {{ column.cell }},
        {%- endfor %}
        {{ json_object_text(keys) }} as row_key,
        cast(sum(expected_copies) as bigint) as expected_copies,
        cast(sum(actual_copies) as bigint) as actual_copies
    from both_sides
    group by {% for column in shared %}{{ column.cell }}, {% endfor %}row_key
    having sum(expected_copies) <> sum(actual_copies)
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

all_differences as (
    {%- for name in names if actual_types.get(name) != expected_types.get(name) %}
    select
        '{{ 'missing' if name not in actual_types else 'unexpected' if name not in expected_types else 'changed' }}' as difference,
        cast(null as varchar) as row_key,
        {{ portable_literal(name) }} as column_name,
        {{ portable_literal(expected_types[name]) if name in expected_types else 'cast(null as varchar)' }} as expected,
        {{ portable_literal(actual_types[name]) if name in actual_types else 'cast(null as varchar)' }} as actual

    union all
    {% endfor %}
    {%- for column in shared %}
    select
        'changed' as difference,
        row_key,
        {{ portable_literal(column.name) }} as column_name,
        coalesce(expected_{{ column.cell }}, 'null') as expected,
        coalesce(actual_{{ column.cell }}, 'null') as actual
    from pairs
    where coalesce(expected_{{ column.cell }}, 'null') <> coalesce(actual_{{ column.cell }}, 'null')

    union all
    {% endfor %}
    select
        'multiplicity' as difference,
        row_key,
        cast(null as varchar) as column_name,
        cast(expected_copies as varchar) as expected,
        cast(actual_copies as varchar) as actual
    from unequal_rows
    where expected_copies > 0 and actual_copies > 0

    union all

    select
        case when one_sided.actual_copies = 0 then 'missing' else 'unexpected' end as difference,
        one_sided.row_key,
        cast(null as varchar) as column_name,
        case when one_sided.actual_copies = 0 then one_sided.content end as expected,
        case when one_sided.expected_copies = 0 then one_sided.content end as actual
    from (
        select
            row_key,
            expected_copies,
            actual_copies,
            {{ json_object_text(shared) }} as content,
            unnest(range(expected_copies + actual_copies))
        from unmatched_rows
        where not is_paired
    ) as one_sided
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
