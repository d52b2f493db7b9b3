{#- Condition that keeps the rows of garages the reader may see; the function runs once per query, and an index on the
    column serves. -#}
{% macro of_my_garages(column='garage_id') -%}
    {{ column }} = any((select authz.my_garages())::uuid [])
{%- endmacro %}
