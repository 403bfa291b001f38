{#- Fails for each row found on one side alone. Rows count once, however often they stand there. -#}
{% test equality(model, compare_model, exclude_columns=none) %}
    {%- if execute -%}
        {%- set excluded = (exclude_columns or []) | map('lower') | list -%}
        {%- set columns = [] -%}
        {%- for column in adapter.get_columns_in_relation(model) if column.name | lower not in excluded -%}
            {%- do columns.append(column.quoted) -%}
        {%- endfor -%}
        {%- set compared_columns = [] -%}
        {%- for column in adapter.get_columns_in_relation(compare_model) if column.name | lower not in excluded -%}
            {%- do compared_columns.append(column.quoted) -%}
        {%- endfor -%}
        {%- if columns | sort != compared_columns | sort -%}
            {{ exceptions.raise_compiler_error(
                model ~ ' and ' ~ compare_model ~ ' do not have the same columns: '
                ~ columns | sort | join(', ') ~ ' against ' ~ compared_columns | sort | join(', ')
            ) }}
        {%- endif -%}
        {%- set column_list = columns | join(', ') -%}
        {%- for which_diff, one, other in [('a_minus_b', model, compare_model), ('b_minus_a', compare_model, model)] %}
    select
        '{{ which_diff }}' as which_diff,
        one_side.*
    from (
        select {{ column_list }} from {{ one }}
        except
        select {{ column_list }} from {{ other }}
    ) as one_side
    {{ 'union all' if not loop.last }}
        {%- endfor -%}
    {%- endif -%}
{% endtest %}
