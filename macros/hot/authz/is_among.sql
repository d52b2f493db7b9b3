{#- Condition that a column holds one of the ids that a function of schema authz gives for whoever asks; the function runs
    once per query, and an index on the column serves. -#}
{% macro is_among(column, function) -%}
    {{ column }} = any((select authz.{{ function }}())::uuid [])
{%- endmacro %}
