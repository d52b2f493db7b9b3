{#- Condition for a query of `relation`, which has a row for each key with the fingerprint of what the key's rows are made from,
    `made_from`: those keys of which `columns` are others than this table holds, or that it does not hold. All of them, where it
    was made before it had these columns. `held` is a query of the key and the columns as the table holds them, where they are not
    in every row. -#}
{% macro that_changed(relation, key, held=none, columns=['made_from']) -%}
    {%- if not (execute and flags.INTROSPECT) or has_columns((columns if held else [key] + columns)) -%}
    {%- set compared = [key] + columns -%}
    where hash({{ relation }}.{{ compared | join(', ' ~ relation ~ '.') }}) not in (
        select hash(stored.{{ compared | join(', stored.') }}) from {{ '(' ~ held ~ ')' if held else this }} as stored
    )
    {%- endif -%}
{%- endmacro %}

{#- Whether this table has these columns; one from before a model had them has not. -#}
{% macro has_columns(columns) -%}
    {%- set present = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
    {{- return(columns | reject('in', present) | list == []) -}}
{%- endmacro %}
