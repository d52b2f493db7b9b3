{#- numerator / denominator * multiplier as an exact decimal of `scale` digits, half away from zero; null where
    either is null or the denominator is 0. Inputs: whole numbers or decimals of up to 4 digits. Integer
    arithmetic, because DuckDB divides decimals as doubles and Snowflake rounds a quotient before round() sees it. -#}
{% macro ratio(numerator, denominator, multiplier=1, scale=4) -%}
    {{ return(adapter.dispatch('ratio')(numerator, denominator, multiplier, scale)) }}
{%- endmacro %}

{% macro percent(numerator, denominator, scale=4) -%}
    {{ return(ratio(numerator, denominator, 100, scale)) }}
{%- endmacro %}

{% macro duckdb__ratio(numerator, denominator, multiplier, scale) -%}
    {%- set n = "cast(cast(" ~ numerator ~ " as decimal(28, 4)) * 10000 as hugeint)" -%}
    {%- set d = "cast(cast(" ~ denominator ~ " as decimal(28, 4)) * 10000 as hugeint)" -%}
    cast(
        cast(
            sign({{ n }}) * sign({{ d }})
            * ((2 * abs({{ n }}) * {{ multiplier * 10 ** scale }} + abs({{ d }})) // nullif(2 * abs({{ d }}), 0))
            as decimal(28, 0)
        ) * cast('{{ "%.*f" | format(scale, 10 ** -scale) }}' as decimal({{ scale }}, {{ scale }}))
        as decimal(28, {{ scale }})
    )
{%- endmacro %}

{% macro snowflake__ratio(numerator, denominator, multiplier, scale) -%}
    {%- set n = "cast(cast(" ~ numerator ~ " as number(28, 4)) * 10000 as number(38, 0))" -%}
    {%- set d = "cast(cast(" ~ denominator ~ " as number(28, 4)) * 10000 as number(38, 0))" -%}
    {%- set dividend = "(2 * abs(" ~ n ~ ") * " ~ multiplier * 10 ** scale ~ " + abs(" ~ d ~ "))" -%}
    {%- set divisor = "nullif(2 * abs(" ~ d ~ "), 0)" -%}
    cast(
        cast(
            sign({{ n }}) * sign({{ d }})
            * (({{ dividend }} - mod({{ dividend }}, {{ divisor }})) / {{ divisor }})
            as number(28, 0)
        ) * cast('{{ "%.*f" | format(scale, 10 ** -scale) }}' as number({{ scale }}, {{ scale }}))
        as number(28, {{ scale }})
    )
{%- endmacro %}

{#- Postgres divides numerics to at least 16 digits, so one rounding at the end is exact here. -#}
{% macro postgres__ratio(numerator, denominator, multiplier, scale) -%}
    round(cast({{ numerator }} as numeric) * {{ multiplier }} / nullif(cast({{ denominator }} as numeric), 0), {{ scale }})
{%- endmacro %}
