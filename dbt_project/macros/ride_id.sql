{% macro ride_id(taxi, passenger, started_at) -%}
    {%- set start_text -%}
        to_char({{ started_at }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    {%- endset -%}
    case
        when {{ taxi }} is not null and {{ passenger }} is not null and {{ started_at }} is not null
            then {{ dbt_utils.generate_surrogate_key([taxi, passenger, start_text]) }}
    end
{%- endmacro %}
