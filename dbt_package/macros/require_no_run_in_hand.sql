{% macro require_no_run_in_hand() -%}
    {%- if not execute or not data_angiogram.is_dye_target() or var('dye_source') != 'seeds' -%}
        {{ return('') }}
    {%- endif -%}
    {%- if flags.WHICH not in ('build', 'run', 'seed', 'snapshot') -%}
        {{ return('') }}
    {%- endif -%}
    {%- set runs = adapter.get_relation(database=target.database, schema='angiogram', identifier='runs') -%}
    {%- if runs is none -%}
        {{ return('') }}
    {%- endif -%}
    {%- set in_hand = run_query(
        'select run_id from ' ~ runs ~ " as runs where in_hand and lease_until > clock_timestamp()"
        ~ " and coalesce(to_jsonb(runs) ->> 'pipeline', '') in ('', '" ~ project_name ~ "')"
    ) -%}
    {%- if in_hand | length -%}
        {{ exceptions.raise_compiler_error(
            'Run ' ~ in_hand.rows[0][0] ~ ' is in hand and needs the tables of target ' ~ target.name ~ '. Build from the input '
            ~ 'seeds after it has ended.'
        ) }}
    {%- endif -%}
{%- endmacro %}
