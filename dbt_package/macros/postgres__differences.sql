{#-
    Rows are compared as jsonb: 12.50 equals 12.5, null is not an empty string, and no list of columns is needed. Times
    are compared and shown in UTC: the statement sets the transaction's time zone before it reads a row.
-#}

{%- macro text_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro -%}

{%- macro text_array(texts) -%}
    array[{% for text in texts %}{{ data_angiogram.text_literal(text) }}{{ ', ' if not loop.last }}{% endfor %}]::text[]
{%- endmacro -%}

{%- macro columns_of(relation, excluded, only) -%}
    select
        attribute.attname::text as column_name,
        format_type(attribute.atttypid, attribute.atttypmod) as type_name,
        attribute.attnum as place
    from pg_catalog.pg_attribute as attribute
    where
        attribute.attrelid = {{ data_angiogram.text_literal(relation) }}::regclass
        and attribute.attnum > 0
        and not attribute.attisdropped
        and attribute.attname::text <> all({{ data_angiogram.text_array(excluded) }})
        {%- if only %}
        and attribute.attname::text = any({{ data_angiogram.text_array(only) }})
        {%- endif %}
{%- endmacro -%}

{%- macro counted_rows(relation, excluded, where, only, precision) -%}
    select
        counted.content
        {%- for name, decimals in precision.items() %}
        {%- set cell = "counted.content -> " ~ data_angiogram.text_literal(name) %}
        || case
            when jsonb_typeof({{ cell }}) = 'number'
                then jsonb_build_object({{ data_angiogram.text_literal(name) }}, round(({{ cell }})::numeric, {{ decimals }}))
            else '{}'::jsonb
        end
        {%- endfor %} as content,
        count(*) as copies
    from (
        select
            {%- if only %}
            (
                select coalesce(jsonb_object_agg(cells.key, cells.value), '{}'::jsonb)
                from jsonb_each(to_jsonb(compared.*)) as cells
                where cells.key = any({{ data_angiogram.text_array(only) }})
            )
            {%- else %}
            to_jsonb(compared.*)
            {%- endif %} - {{ data_angiogram.text_array(excluded) }} - unshared_columns.column_names as content
        from utc
        cross join unshared_columns
        cross join {% if where %}(
            select * from {{ relation }}
            where
                {{ where }}
        ){% else %}{{ relation }}{% endif %} as compared
    ) as counted
    group by 1
{%- endmacro -%}

{%- macro postgres__differences(
    actual, expected, key, excluded, where=none, only=[], precision={}, types=true, column_order=false
) -%}
{%- set chosen = only + key if only else [] -%}
with utc as materialized (
    select set_config('TimeZone', 'UTC', true) as time_zone
),

actual_columns as (
    {{ data_angiogram.columns_of(actual, excluded, chosen) }}
),

expected_columns as (
    {{ data_angiogram.columns_of(expected, excluded, chosen) }}
),

compared_columns as (
    select
        coalesce(actual_columns.column_name, expected_columns.column_name) as column_name,
        actual_columns.type_name as actual_type,
        expected_columns.type_name as expected_type,
        row_number() over (
            partition by actual_columns.place + expected_columns.place is null order by actual_columns.place
        ) as actual_place,
        row_number() over (
            partition by actual_columns.place + expected_columns.place is null order by expected_columns.place
        ) as expected_place
    from actual_columns
    full join expected_columns on actual_columns.column_name = expected_columns.column_name
),

unshared_columns as (
    select coalesce(array_agg(column_name), array[]::text[]) as column_names
    from compared_columns
    where actual_type is null or expected_type is null
),

actual_rows as (
    {{ data_angiogram.counted_rows(actual, excluded, where, chosen, precision) }}
),

expected_rows as (
    {{ data_angiogram.counted_rows(expected, excluded, none, chosen, precision) }}
),

unequal_rows as materialized (
    select
        {%- if not key %}
        '{}'::jsonb
        {%- endif %}
        {%- for columns in key | batch(50) %} {# PostgreSQL passes no more than 100 arguments to a function #}
        {{ '|| ' if not loop.first }}jsonb_build_object(
            {%- for column in columns %}
            {%- set name = data_angiogram.text_literal(column) %}
            {{ name }}, coalesce(expected_rows.content, actual_rows.content) -> {{ name }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
        {%- endfor %} as row_key,
        expected_rows.content as expected_content,
        actual_rows.content as actual_content,
        coalesce(expected_rows.copies, 0) as expected_copies,
        coalesce(actual_rows.copies, 0) as actual_copies
    from expected_rows
    full join actual_rows on expected_rows.content = actual_rows.content
    where expected_rows.copies is distinct from actual_rows.copies
),

-- Rows found on one side alone; they count by copy, so that a doubled row is never paired.
unmatched_rows as (
    select
        *,
        sum(expected_copies) over (partition by row_key) = 1
        and sum(actual_copies) over (partition by row_key) = 1 as is_paired
    from unequal_rows
    where expected_content is null or actual_content is null
),

pairs as (
    select
        missing_rows.row_key,
        missing_rows.expected_content,
        unexpected_rows.actual_content
    from unmatched_rows as missing_rows
    inner join unmatched_rows as unexpected_rows on missing_rows.row_key = unexpected_rows.row_key
    where
        missing_rows.is_paired
        and unexpected_rows.is_paired
        and missing_rows.actual_content is null
        and unexpected_rows.expected_content is null
),

all_differences as (
    select
        case
            when actual_type is null then 'missing'
            when expected_type is null then 'unexpected'
            else 'changed'
        end as difference,
        null::text as row_key,
        column_name,
        expected_type as expected,
        actual_type as actual
    from compared_columns
    where
        {%- if types %}
        expected_type is distinct from actual_type
        {%- else %}
        expected_type is null or actual_type is null
        {%- endif %}

    union all
    {%- if column_order %}

    select
        'changed' as difference,
        null::text as row_key,
        column_name,
        'place ' || expected_place as expected,
        'place ' || actual_place as actual
    from compared_columns
    where actual_type is not null and expected_type is not null and actual_place <> expected_place

    union all
    {%- endif %}

    select
        'multiplicity' as difference,
        row_key::text as row_key,
        null::text as column_name,
        expected_copies::text as expected,
        actual_copies::text as actual
    from unequal_rows
    where expected_content is not null and actual_content is not null

    union all

    select
        'changed' as difference,
        pairs.row_key::text as row_key,
        cells.key as column_name,
        cells.value::text as expected,
        (pairs.actual_content -> cells.key)::text as actual
    from pairs
    cross join lateral jsonb_each(pairs.expected_content) as cells
    where cells.value <> pairs.actual_content -> cells.key

    union all

    select
        case when unmatched_rows.actual_content is null then 'missing' else 'unexpected' end as difference,
        unmatched_rows.row_key::text as row_key,
        null::text as column_name,
        unmatched_rows.expected_content::text as expected,
        unmatched_rows.actual_content::text as actual
    from unmatched_rows
    cross join lateral generate_series(1, unmatched_rows.expected_copies + unmatched_rows.actual_copies)
    where not unmatched_rows.is_paired
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
