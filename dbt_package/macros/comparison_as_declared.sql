{#-
    The query of a test equals_expected: the arguments of the test count first, then what the model says in
    meta.equals_expected.
-#}
{%- macro comparison_as_declared(relation, expected, given) -%}
    {%- set tested, how, sides, absent, found = [], {}, [], [], [] -%}
    {%- for id in ([model.attached_node] if model.attached_node else model.depends_on.nodes) -%}
        {%- if not id.split('.')[-1].startswith('expected__') -%}{%- set _ = tested.append(id) -%}{%- endif -%}
    {%- endfor -%}
    {%- set node = graph.nodes.get(tested[0]) if tested | length == 1 else none -%}
    {%- set of_model = (node.config.meta or {}).get('equals_expected') or {} if node else {} -%}
    {%- for name in given -%}
        {%- set _ = how.update({name: given[name] if given[name] is not none else of_model.get(name)}) -%}
    {%- endfor -%}
    {%- for name in of_model if name not in how and name != 'where' -%}
        {{- exceptions.raise_compiler_error('meta.equals_expected of ' ~ node.name ~ ' has an unknown entry: ' ~ name) -}}
    {%- endfor -%}
    {%- set compared = namespace(relation=relation) -%}
    {%- if config.get('where') and model.attached_node -%} {#- dbt gives a subquery then, of which nobody can ask the columns -#}
        {%- set compared.relation = ref(node.package_name, node.name, v=node.version) -%}
    {%- endif -%}
    {#- Whoever only compiles, such as dbt docs, may have no server. -#}
    {%- set is_run = flags.WHICH in ['test', 'build', 'retry'] -%}
    {%- if is_run and node and node.config.materialized == 'ephemeral' -%}
        {{- exceptions.raise_compiler_error(
            node.name ~ ' is ephemeral: dbt has no table of it to compare. Remove this test; angiogram compares the model by its expected seed.'
        ) -}}
    {%- endif -%}
    {%- for side in [compared.relation, expected] if is_run -%}
        {%- set _ = sides.append(adapter.get_columns_in_relation(side) | map(attribute='name') | list) -%}
    {%- endfor -%}
    {%- set only = [how.only] if how.only is string else (how.only or []) -%}
    {%- set key = [how.key] if how.key is string else (how.key or []) -%}
    {%- set excluded = [how.exclude] if how.exclude is string else (how.exclude or []) -%}
    {%- set excluded = (var('run_dependent_columns', none) or []) + excluded -%}
    {%- set precision = how.precision or {} -%}
    {%- for name in key + only + precision.keys() | list if is_run and (name not in sides[0] + sides[1] or name in excluded) -%}
        {%- set _ = absent.append(name) if name not in absent -%}
    {%- endfor -%}
    {%- if absent -%}
        {{- exceptions.raise_compiler_error('the test equals_expected of ' ~ relation ~ ' names no column that is compared: ' ~ absent | join(', ')) -}}
    {%- endif -%}
    {%- if is_run and not key -%}
        {%- set names = sides[1] | reject('in', excluded) | list -%}
        {%- set names = names | select('in', only) | list if only else names -%}
        {%- if node -%}{%- set _ = data_angiogram.declared_key(node, tested[0], graph.nodes.values() | list, names, found) -%}{%- endif -%}
        {%- set key = found or names -%}
    {%- endif -%}
    {{- data_angiogram.differences(
        compared.relation, expected, key, excluded, config.get('where') or of_model.get('where'), only, precision,
        how.types is not sameas false, how.column_order is sameas true
    ) -}}
{%- endmacro -%}
