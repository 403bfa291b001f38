{% macro record_live_nodes(results) -%}
    {%- if not execute or target.type != 'postgres' or target.name != 'prod' -%}
        {{ return('') }}
    {%- endif -%}
    {%- set held = data_angiogram.held_message() -%}
    {%- set built = data_angiogram.nodes_with_fingerprint(results) | selectattr('message', 'ne', held) | list -%}
    {%- if not built -%}
        {{ return('') }}
    {%- endif -%}
    {%- set pipeline = dbt.string_literal(dbt.escape_single_quotes(project_name)) -%}
    {%- set packages = [project_name] -%}
    {%- for node in graph.nodes.values() if node.package_name not in packages -%}
        {%- do packages.append(node.package_name) -%}
    {%- endfor -%}
    select set_config('angiogram.pipeline', {{ pipeline }}, true);
    {#- Builds from before noted their nodes without the pipeline's name. -#}
    with unnamed as (
        delete from angiogram.live_nodes
        where
            pipeline = ''
            and split_part(unique_id, '.', 2) in (
                {%- for package in packages %}
                {{ dbt.string_literal(dbt.escape_single_quotes(package)) }}{{ ',' if not loop.last }}
                {%- endfor %}
            )
        returning unique_id, name, resource_type, relation, accounts_for, counts, fingerprint, built_at
    )
    insert into angiogram.live_nodes as noted
    (pipeline, unique_id, name, resource_type, relation, accounts_for, counts, fingerprint, built_at)
    select
        {{ pipeline }}, {{ pipeline }} || ':' || unique_id, name, resource_type, relation, accounts_for, counts, fingerprint,
        built_at
    from unnamed
    on conflict (unique_id) do update set
        name = excluded.name,
        relation = excluded.relation,
        accounts_for = excluded.accounts_for,
        counts = excluded.counts,
        fingerprint = excluded.fingerprint,
        built_at = excluded.built_at
    where excluded.built_at > noted.built_at;
    delete from angiogram.live_nodes
    where
        pipeline = {{ pipeline }}
        and node_id not in (
            {%- for unique_id in graph.nodes %}
            {{ dbt.string_literal(dbt.escape_single_quotes(unique_id)) }}{{ ',' if not loop.last }}
            {%- endfor %}
        );
    insert into angiogram.live_nodes
    (pipeline, unique_id, name, resource_type, relation, accounts_for, counts, fingerprint)
    values
    {%- for result in built %}
    (
        {%- set node = result.node -%}
        {{- pipeline }},
        {%- for text in [
            project_name ~ ':' ~ node.unique_id, node.name, node.resource_type | string, node.relation_name,
        ] -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(text)) }},
        {%- endfor -%}
        {%- for text in [node.config.meta.get('accounts_for'), node.config.meta.get('counts')] -%}
            {{ 'null' if text is none else dbt.string_literal(dbt.escape_single_quotes(text)) }},
        {%- endfor -%}
        {{- data_angiogram.fingerprint(node) -}}
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
