{#-
    The comparison of a table with what it should hold: one SQL text for the dbt test equals_expected and for the
    `angiogram` command, which renders it with plain Jinja (angiogram/dbt/package/rendering.py).

    `where` chooses the rows of the actual table that are compared, as dbt's configuration of that name does. `only` are
    the columns that are compared besides the key; all if empty. Numbers in the columns of `precision` are rounded to so
    many decimals on both sides. `types` and `column_order` say whether those are compared.
-#}
{%- macro differences(actual, expected, key, excluded, where=none, only=[], precision={}, types=true, column_order=false) -%}
    {{- adapter.dispatch('differences', 'data_angiogram')(
        actual, expected, key, excluded, where, only, precision, types, column_order
    ) -}}
{%- endmacro -%}
