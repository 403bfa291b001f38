{% macro results_relation() -%}
    {{ return(api.Relation.create(
        database=target.database, schema=target.name ~ '_results', identifier='node_results'
    )) }}
{%- endmacro %}
