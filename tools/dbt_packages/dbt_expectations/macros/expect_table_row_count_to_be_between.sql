{# Fails if the number of rows that row_condition selects is out of bounds; with group_by, a list of columns,
   fails for each group out of bounds, and a table without rows has no group. #}
{% test expect_table_row_count_to_be_between(
    model, min_value=none, max_value=none, group_by=none, row_condition=none, strictly=false
) %}
    {{ return(adapter.dispatch('test_expect_table_row_count_to_be_between', 'dbt_expectations')(
        model, min_value, max_value, group_by, row_condition, strictly
    )) }}
{% endtest %}

{% macro default__test_expect_table_row_count_to_be_between(
    model, min_value, max_value, group_by, row_condition, strictly
) %}
{% set groups = group_by or [] %}
select *
from (
    select
        {% for group in groups %}{{ group }} as group_{{ loop.index }}, {% endfor %}
        count(*) as row_count
    from {{ model }}
    {% if row_condition %}where {{ row_condition }}{% endif %}
    {% if groups %}group by {{ groups | join(', ') }}{% endif %}
) as counted
where not {{ dbt_expectations.within_bounds('row_count', min_value, max_value, strictly) }}
{% endmacro %}
