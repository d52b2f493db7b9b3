{#- Condition for a query of `relation`, which has a row for each key with the fingerprint of what the key's rows are made from,
    `made_from`: those keys whose fingerprint is another one than this table holds, or that it does not hold. All of them,
    where it was made before there were fingerprints. `held` is a query of the key and made_from as the table holds them, where
    they are not in every row. -#}
{% macro that_changed(relation, key, held=none) -%}
    {%- if not (execute and flags.INTROSPECT) or has_fingerprints() -%}
    where hash({{ relation }}.{{ key }}, {{ relation }}.made_from) not in (
        select hash(stored.{{ key }}, stored.made_from) from {{ '(' ~ held ~ ')' if held else this }} as stored
    )
    {%- endif -%}
{%- endmacro %}

{#- Whether this table has the column made_from; one from before there were fingerprints has not. -#}
{% macro has_fingerprints() -%}
    {{- return('made_from' in (adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower'))) -}}
{%- endmacro %}
