{% test equals_expected(model, compare_model, key) %}
    {%- set columns = [key] if key is string else key -%}
    {%- set where = config.get('where') -%}
    {%- set tested = namespace(relation=model) -%}
    {%- if where and execute -%} {#- dbt's `model` is a subquery then, of which nobody can ask the columns -#}
        {%- set node = graph.nodes[context['model']['attached_node']] -%}
        {%- set tested.relation = ref(node.package_name, node.name, v=node.version) -%}
    {%- endif -%}
    {{ data_angiogram.differences(tested.relation, compare_model, columns, var('run_dependent_columns', none) or [], where) }}
{% endtest %}
