{#- The greatest of two values, or the least; the other one where one is null, null where both are. -#}
{% macro greatest_known(one, other) -%}
    {{ return(adapter.dispatch('greatest_known')(one, other)) }}
{%- endmacro %}

{% macro default__greatest_known(one, other) -%} greatest({{ one }}, {{ other }}) {%- endmacro %}

{% macro snowflake__greatest_known(one, other) -%} greatest_ignore_nulls({{ one }}, {{ other }}) {%- endmacro %}

{% macro least_known(one, other) -%}
    {{ return(adapter.dispatch('least_known')(one, other)) }}
{%- endmacro %}

{% macro default__least_known(one, other) -%} least({{ one }}, {{ other }}) {%- endmacro %}

{% macro snowflake__least_known(one, other) -%} least_ignore_nulls({{ one }}, {{ other }}) {%- endmacro %}
