{#- Joins and condition for a query of `relation`, which has a row for each key with the fingerprint of what the key's rows are
    made from, `made_from`: those keys whose fingerprint is another one than this table holds. All of them, where it was made
    before there were fingerprints. -#}
{% macro that_changed(relation, key) -%}
    {%- if not (execute and flags.INTROSPECT)
        or 'made_from' in (adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower')) -%}
    left join (
        select distinct
            {{ key }},
            made_from
        from {{ this }}
    ) as stored on {{ relation }}.{{ key }} = stored.{{ key }}
    where stored.made_from is distinct from {{ relation }}.made_from
    {%- endif -%}
{%- endmacro %}
