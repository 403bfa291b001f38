{#- A value of a type as the JSON text that PostgreSQL's jsonb has for it, as far as the engine can: numbers without trailing
zeros, times in UTC. Null stays null. -#}
{%- macro json_text(value, type) -%}
    {{- adapter.dispatch('json_text', 'data_angiogram')(value, type) -}}
{%- endmacro -%}

{#- In plain SQL: what is not a number, a boolean or a time is taken as text. -#}
{%- macro default__json_text(value, type) -%}
    {%- set kind = type | upper -%}
    {%- set text = 'cast(' ~ value ~ ' as varchar)' -%}
    {%- if kind == 'BOOLEAN' or kind.endswith(('INT', 'INTEGER')) -%}
        {{ text }}
    {%- elif kind.startswith(('DECIMAL', 'NUMERIC')) -%}
        {{ data_angiogram.without_trailing_zeros(text) }}
    {%- elif kind.startswith(('DOUBLE', 'FLOAT', 'REAL')) -%}
        case when {{ value }} = 0 then '0' else {{ text }} end
    {%- elif kind.startswith(('TIMESTAMP', 'DATETIME')) -%}
        '"' || replace({{ text }}, ' ', 'T') || '"'
    {%- else -%}
        '"' || replace(replace({{ text }}, '\', '\\'), '"', '\"') || '"'
    {%- endif -%}
{%- endmacro -%}

{%- macro duckdb__json_text(value, type) -%}
    {%- set kind = type | upper -%}
    {%- set text = 'cast(' ~ value ~ ' as varchar)' -%}
    {%- if kind == 'JSON' -%}
        {#- Longer numbers than a double holds stay as they are written. -#}
        case
            when regexp_matches({{ text }}, '[0-9][0-9.]{15,}') then {{ text }}
            else {{ data_angiogram.with_plain_numbers('cast(json_normalize(' ~ value ~ ') as varchar)') }}
        end
    {%- elif kind.endswith(']') or kind.startswith(('STRUCT', 'MAP', 'UNION', 'VARIANT')) -%}
        {{ data_angiogram.with_plain_numbers('cast(to_json(' ~ value ~ ') as varchar)') }}
    {%- elif kind == 'BOOLEAN' or kind == 'BIGNUM' or kind.endswith(('INT', 'INTEGER')) -%}
        {{ text }}
    {%- elif kind.startswith(('DECIMAL', 'NUMERIC')) -%}
        {{ data_angiogram.without_trailing_zeros(text) }}
    {%- elif kind in ('DOUBLE', 'FLOAT', 'REAL') -%}
        case
            when isnan({{ value }}) then '"NaN"'
            when isinf({{ value }}) then case when {{ value }} > 0 then '"Infinity"' else '"-Infinity"' end
            when {{ value }} = 0 then '0'
            else regexp_replace({{ text }}, '\.0$', '')
        end
    {%- elif kind in ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ') -%}
        case
            when isinf({{ value }}) then '"' || {{ text }} || '"'
            else '"' || replace(cast(timezone('UTC', {{ value }}) as varchar), ' ', 'T') || '+00:00"'
        end
    {%- elif kind.startswith('TIMESTAMP') -%}
        '"' || replace({{ text }}, ' ', 'T') || '"'
    {%- else -%}
        cast(to_json({{ text }}) as varchar)
    {%- endif -%}
{%- endmacro -%}

{%- macro without_trailing_zeros(text) -%}
    case when {{ text }} like '_%.%' then rtrim(rtrim({{ text }}, '0'), '.') else {{ text }} end
{%- endmacro -%}

{#- JSON text in which a whole number has no decimals, and zero no sign; what is in quotes stays. -#}
{%- macro with_plain_numbers(text) -%}
    regexp_replace({{ text }}, '("(?:[^"\\]|\\.)*")|-(0)\.0\b|(-?[0-9]+)\.0\b', '\1\2\3', 'g')
{%- endmacro -%}
