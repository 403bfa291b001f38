{% macro record_live_nodes(results) -%}
    {%- if not execute or target.name != 'prod' -%}
        {{ return('') }}
    {%- endif -%}
    {%- set built = nodes_with_fingerprint(results) | selectattr('message', 'ne', held_message()) | list -%}
    {%- if not built -%}
        {{ return('') }}
    {%- endif -%}
    delete from angiogram.live_nodes
    where
        unique_id not in (
            {%- for unique_id in graph.nodes %}
            {{ dbt.string_literal(dbt.escape_single_quotes(unique_id)) }}{{ ',' if not loop.last }}
            {%- endfor %}
        );
    insert into angiogram.live_nodes (unique_id, name, resource_type, relation, accounts_for, counts, fingerprint)
    values
    {%- for result in built %}
    (
        {%- set node = result.node -%}
        {%- for text in [node.unique_id, node.name, node.resource_type | string, node.relation_name] -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(text)) }},
        {%- endfor -%}
        {%- for text in [node.config.meta.get('accounts_for'), node.config.meta.get('counts')] -%}
            {{ 'null' if text is none else dbt.string_literal(dbt.escape_single_quotes(text)) }},
        {%- endfor -%}
        {{- fingerprint(node) -}}
    ){{ ',' if not loop.last }}
    {%- endfor %}
    on conflict (unique_id) do update set
        name = excluded.name,
        relation = excluded.relation,
        accounts_for = excluded.accounts_for,
        counts = excluded.counts,
        fingerprint = excluded.fingerprint,
        built_at = clock_timestamp()
{%- endmacro %}
