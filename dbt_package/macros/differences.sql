{#-
    The comparison of a table with what it should hold: one SQL text for the dbt test equals_expected and for the
    `angiogram` command, which renders it with plain Jinja (angiogram/dbt/package/rendering.py).

    `where` chooses the rows of the actual table that are compared, as dbt's configuration of that name does.
-#}
{%- macro differences(actual, expected, key, excluded, where=none) -%}
    {{- adapter.dispatch('differences', 'data_angiogram')(actual, expected, key, excluded, where) -}}
{%- endmacro -%}
