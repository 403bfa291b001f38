{% test equals_expected(model, compare_model, key) %}
    (select * from {{ model }} except all select * from {{ compare_model }})
    union all
    (select * from {{ compare_model }} except all select * from {{ model }})
{% endtest %}
