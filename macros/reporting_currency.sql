{#- Var reporting_currency in lower case, as the currencies of payments are. What is no ISO code stops the run. -#}
{% macro reporting_currency() -%}
    {%- set currency = var('reporting_currency') | string | trim | lower -%}
    {%- if not modules.re.match('^[a-z]{3}$', currency) -%}
        {{ exceptions.raise_compiler_error(
            "reporting_currency is '" ~ var('reporting_currency') ~ "'; write an ISO 4217 code, as usd or cad.") }}
    {%- endif -%}
    {{- return(currency) -}}
{%- endmacro %}
