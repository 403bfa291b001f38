{% macro record_node_results(results) -%}
    {%- if not execute or not data_angiogram.is_dye_target() or not results -%}
        {{ return('') }}
    {%- endif -%}
    {{- adapter.dispatch('lock_results', 'data_angiogram')() }}
    create schema if not exists {{ data_angiogram.results_relation().include(database=false, identifier=false) }};
    create table if not exists {{ data_angiogram.results_relation() }} (
        invocation_id text not null,
        unique_id text not null,
        name text not null,
        resource_type text not null,
        status text not null,
        message text,
        seconds numeric not null,
        rows_affected bigint,
        fingerprint text,
        recorded_at timestamptz not null default now()
    );
    {%- set with_fingerprint = data_angiogram.nodes_with_fingerprint(results) | map(attribute='node.unique_id') | list %}
    insert into {{ data_angiogram.results_relation() }}
    (invocation_id, unique_id, name, resource_type, status, message, seconds, rows_affected, fingerprint)
    values
    {%- for result in results %}
    (
        {%- set texts = [
            invocation_id, result.node.unique_id, result.node.name, result.node.resource_type | string,
            result.status | string,
        ] -%}
        {%- for text in texts -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(text)) }},
        {%- endfor -%}
        {%- if result.message is none -%}
            null
        {%- else -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(result.message | string)) }}
        {%- endif -%},
        {{- result.execution_time | round(3) }},
        {%- set rows_affected = (result.adapter_response or {}).get('rows_affected') -%}
        {{- 'null' if rows_affected is none else rows_affected | int -}},
        {{- data_angiogram.fingerprint(result.node) if result.node.unique_id in with_fingerprint else 'null' -}}
    ){{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Several dbt commands may end at once: the lock lets one of them make schema and table. -#}
{% macro postgres__lock_results() -%}
    select pg_advisory_xact_lock(hashtext('angiogram_results'));
{%- endmacro %}

{#- An engine with one writer needs none. -#}
{% macro default__lock_results() -%}
{%- endmacro %}
