{% macro held_because() -%}
    {%- if execute and target.type == 'postgres' and target.name == 'prod' -%}
        {%- set answer = run_query(
            "select angiogram.held_because('" ~ run_started_at.isoformat() ~ "', '" ~ project_name ~ "')"
        ) -%}
        {{ return(answer.rows[0][0]) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{% macro held_message() -%}
    {{ return('HELD') }}
{%- endmacro %}
