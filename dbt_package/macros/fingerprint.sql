{% macro fingerprint(node) -%}
    {%- if node.resource_type | string == 'seed' -%}
    {{- adapter.dispatch('fingerprint_of_rows', 'data_angiogram')(node.relation_name) -}}
    {%- else -%}
        {%- set names = namespace(code=node.compiled_code) -%}
        {%- for parent in node.depends_on.nodes -%}
            {%- set relation = (graph.nodes.get(parent) or graph.sources.get(parent)).relation_name -%}
            {%- if relation -%} {#- an ephemeral model has none -#}
                {%- set names.code = names.code | replace(relation, parent) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set names.code = names.code | replace(node.relation_name, 'this') -%}
        {#- What the source switch reads differs between the targets, and is all that may. -#}
        {%- for alias in var('raw_aliases', []) -%}
            {%- set names.code = modules.re.sub('\\([^()]*\\) as ' ~ alias, alias, names.code) -%}
        {%- endfor -%}
        {%- set settings = [
            node.config.materialized, node.config.incremental_strategy, node.config.unique_key,
            node.config.on_schema_change, node.config.contract.enforced,
        ] -%}
        {{- dbt.string_literal(local_md5(modules.re.sub('\\s+', ' ', names.code) ~ tojson(settings))) -}}
    {%- endif -%}
{%- endmacro %}

{% macro postgres__fingerprint_of_rows(relation) -%}
    (
        select md5(coalesce(string_agg(to_jsonb(content.*)::text, e'\n' order by to_jsonb(content.*)::text collate "C"), ''))
        from {{ relation }} as content
    )
{%- endmacro %}

{% macro duckdb__fingerprint_of_rows(relation) -%}
    (
        select md5(coalesce(string_agg(cast(content as varchar), chr(10) order by cast(content as varchar)), ''))
        from {{ relation }} as content
    )
{%- endmacro %}

{#- In plain SQL nothing tells rows from others. -#}
{% macro default__fingerprint_of_rows(relation) -%}
    null
{%- endmacro %}
