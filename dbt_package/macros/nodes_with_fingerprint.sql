{% macro nodes_with_fingerprint(results) -%}
    {%- set read = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- do read.extend(node.depends_on.nodes) -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for result in results if result.status | string == 'success' -%}
        {%- set kind = result.node.resource_type | string -%}
        {%- if (kind == 'model' and result.node.compiled_code) or (kind == 'seed' and result.node.unique_id in read) -%}
            {%- do found.append(result) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
