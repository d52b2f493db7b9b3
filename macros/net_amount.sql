{#- What remains of a payment after Stripe's fee; the source's own figure where it has one. -#}
{% macro net_amount(net_amount, amount, stripe_fee) -%}
    coalesce({{ net_amount }}, {{ amount }} - coalesce({{ stripe_fee }}, 0))
{%- endmacro %}
