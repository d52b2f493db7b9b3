{#- A query that turns each element of a JSON array of numbers into a row: the relation's columns named, then
    element_index (0 for the first) and element (integer). A null or empty array gives no row. -#}
{% macro flatten_integers(relation, array_column, columns) -%}
    {{ return(adapter.dispatch('flatten_integers')(relation, array_column, columns)) }}
{%- endmacro %}

{% macro default__flatten_integers(relation, array_column, columns) -%}
    select
        {% for column in columns -%}
            {{ relation }}.{{ column }},
        {% endfor -%}
        cast(elements.place - 1 as integer) as element_index,
        elements.element
    from {{ relation }}
    cross join unnest(cast({{ relation }}.{{ array_column }} as integer[])) with ordinality as elements (element, place)
{%- endmacro %}

{% macro snowflake__flatten_integers(relation, array_column, columns) -%}
    select
        {% for column in columns -%}
            {{ relation }}.{{ column }},
        {% endfor -%}
        cast(elements.index as integer) as element_index,
        cast(elements.value as integer) as element
    from {{ relation }},
        lateral flatten(input => {{ relation }}.{{ array_column }}) as elements
{%- endmacro %}
