{# Fails with each row, of those that row_condition selects, whose value is out of bounds; NULLs pass. #}
{% test expect_column_values_to_be_between(
    model, column_name, min_value=none, max_value=none, row_condition=none, strictly=false
) %}
select {{ column_name }}
from {{ model }}
where not {{ dbt_expectations.within_bounds(column_name, min_value, max_value, strictly) }}
    {% if row_condition %}and ({{ row_condition }}){% endif %}
{% endtest %}
