{% macro ride_id(taxi, passenger, started_at) -%}
    {%- set start_text = utc_text(started_at) -%}
    case
        when {{ taxi }} is not null and {{ passenger }} is not null and {{ started_at }} is not null
            then {{ dbt_utils.generate_surrogate_key([taxi, passenger, start_text]) }}
    end
{%- endmacro %}
