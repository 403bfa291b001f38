{#-
    Adds to a list the columns that identify a row of a model, as the project says: its primary key, a test `unique` or
    `unique_combination_of_columns`, a unique constraint, or the unique_key of an incremental model.
-#}
{%- macro declared_key(node, unique_id, nodes, columns, found) -%}
    {%- set said, single, several, known = [], [], [], {} -%}
    {%- for name in columns -%}{%- set _ = known.update({name | lower: name}) -%}{%- endfor -%}
    {%- for test in nodes if test.test_metadata is defined and test.test_metadata and test.attached_node == unique_id -%}
        {%- if test.config.where -%} {#- it says nothing of the other rows -#}
        {%- elif test.test_metadata.name == 'unique' and test.column_name -%}
            {%- set _ = single.append([test.column_name.strip('"`')]) -%}
        {%- elif test.test_metadata.name == 'unique_combination_of_columns' -%}
            {%- set _ = several.append(test.test_metadata.kwargs.get('combination_of_columns') or []) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set _ = data_angiogram.key_constraints(node, 'primary_key', said) -%}
    {%- set _ = said.extend(single | sort(case_sensitive=true)) -%}
    {%- set _ = said.extend(several | sort(case_sensitive=true)) -%}
    {%- set _ = data_angiogram.key_constraints(node, 'unique', said) -%}
    {%- set unique_key = node.config.get('unique_key') or [] -%}
    {%- set _ = said.append([unique_key] if unique_key is string else unique_key) -%}
    {%- for key in said -%}
        {%- set usable = [] -%}
        {%- for column in key if column.strip('"`') | lower in known -%}
            {%- set _ = usable.append(known[column.strip('"`') | lower]) -%}
        {%- endfor -%}
        {%- if usable and not found and usable | length == key | length -%}{%- set _ = found.extend(usable) -%}{%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro key_constraints(node, kind, said) -%}
    {%- for one in (node.constraints if node.constraints is defined and node.constraints else []) if one.type == kind -%}
        {%- set _ = said.append(one.columns | list) -%}
    {%- endfor -%}
    {%- for column in node.columns.values() -%}
        {%- for one in (column.constraints or []) if one.type == kind -%}{%- set _ = said.append([column.name]) -%}{%- endfor -%}
    {%- endfor -%}
{%- endmacro -%}
