{% macro readable_timestamp(column) -%}
    {{- adapter.dispatch('readable_timestamp', 'taxi_angiogram')(column) -}}
{%- endmacro %}

{% macro postgres__readable_timestamp(column) -%}
    {#- The zone is put in before the text is judged: without one PostgreSQL would take the session's. -#}
    {%- set zoned -%}
        {{ column }} || case when {{ column }} ~ '(Z|[+-][0-9]{2}:[0-9]{2})$' then '' else 'Z' end
    {%- endset -%}
    case
        when
            {{ column }} ~ (
                '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?'
                '(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])?$'
            )
            and pg_input_is_valid({{ zoned }}, 'timestamptz')
            then ({{ zoned }})::timestamptz
    end
{%- endmacro %}

{% macro duckdb__readable_timestamp(column) -%}
    case
        when
            regexp_matches(
                {{ column }},
                '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?'
                '(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])?$'
            )
            {#- The zone is put in before the text is read: without one DuckDB would take the session's. -#}
            then try_cast(
                {{ column }} || case when regexp_matches({{ column }}, '(Z|[+-][0-9]{2}:[0-9]{2})$') then '' else 'Z' end
                as timestamptz
            )
    end
{%- endmacro %}
