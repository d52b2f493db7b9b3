{#- Condition for a query of `relation`, which has a row for each key with the fingerprint of what the key's rows are made from,
    `made_from`: those keys whose fingerprint is another one than this table holds, or that it does not hold. All of them,
    where it was made before there were fingerprints. -#}
{% macro that_changed(relation, key) -%}
    {%- if not (execute and flags.INTROSPECT)
        or 'made_from' in (adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower')) -%}
    where hash({{ relation }}.{{ key }}, {{ relation }}.made_from) not in (
        select hash(stored.{{ key }}, stored.made_from) from {{ this }} as stored
    )
    {%- endif -%}
{%- endmacro %}
