{# Fails with a row for each combination of the columns that occurs more than once; NULLs count as alike. #}
{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
    {{ return(adapter.dispatch('test_unique_combination_of_columns', 'dbt_utils')(
        model, combination_of_columns, quote_columns
    )) }}
{% endtest %}

{% macro default__test_unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
{% set names = [] %}
{% for column in combination_of_columns %}
    {% do names.append(adapter.quote(column) if quote_columns else column) %}
{% endfor %}
{% set key = names | join(', ') %}
select {{ key }}
from {{ model }}
group by {{ key }}
having count(*) > 1
{% endmacro %}
