{% test equals_expected(model, compare_model, key) %}
    {{ differences(model | string, compare_model | string, key, var('run_dependent_columns')) }}
{% endtest %}
