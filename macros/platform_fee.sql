{#- Vend's share of one payment: rounded to cents per payment, half away from zero (design ruling on money).
    A decimal product, so nothing passes through a float. -#}
{% macro platform_fee(amount) -%}
    cast(round({{ amount }} * cast('{{ platform_fee_rate() }}' as decimal(9, 6)), 2) as decimal(12, 2))
{%- endmacro %}

{#- Var platform_fee_rate. What is no share from 0 to 1 with at most six decimals stops the run: 10 would not mean 10 %. -#}
{% macro platform_fee_rate() -%}
    {%- set rate = var('platform_fee_rate') | string | trim -%}
    {%- if not modules.re.match('^(0(\\.\\d{1,6})?|1(\\.0{1,6})?)$', rate) -%}
        {{ exceptions.raise_compiler_error(
            "platform_fee_rate is '" ~ rate ~ "'; write a share from 0 to 1 with at most six decimals, as 0.10.") }}
    {%- endif -%}
    {{- return(rate) -}}
{%- endmacro %}
