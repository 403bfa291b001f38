{% test equals_expected(model, compare_model, key=none, only=none, exclude=none, precision=none, types=none, column_order=none) %}
    {%- if execute -%}
        {{- data_angiogram.comparison_as_declared(model, compare_model, {
            'key': key, 'only': only, 'exclude': exclude, 'precision': precision, 'types': types, 'column_order': column_order,
        }) -}}
    {%- endif -%}
{% endtest %}
