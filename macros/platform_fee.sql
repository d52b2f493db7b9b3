{#- Vend's share of one payment: rounded to cents per payment, half away from zero (design ruling on money).
    A decimal product, so nothing passes through a float. -#}
{% macro platform_fee(amount) -%}
    cast(round({{ amount }} * cast('{{ var("platform_fee_rate") }}' as decimal(9, 6)), 2) as decimal(12, 2))
{%- endmacro %}
