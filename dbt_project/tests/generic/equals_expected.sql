{% test equals_expected(model, compare_model, key) %}
    {% set columns = [key] if key is string else key %}
    {{ differences(model | string, compare_model | string, columns, var('run_dependent_columns')) }}
{% endtest %}
