{#- A naive UTC timestamp as wall-clock time of var reporting_timezone. -#}
{% macro to_reporting_time(utc_timestamp) -%}
    {%- if var('reporting_timezone') == 'UTC' -%}
        {{ utc_timestamp }}
    {%- else -%}
        {{ adapter.dispatch('to_reporting_time')(utc_timestamp) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__to_reporting_time(utc_timestamp) -%}
    (({{ utc_timestamp }}) at time zone 'UTC' at time zone '{{ var("reporting_timezone") }}')
{%- endmacro %}

{% macro snowflake__to_reporting_time(utc_timestamp) -%}
    convert_timezone('UTC', '{{ var("reporting_timezone") }}', {{ utc_timestamp }})
{%- endmacro %}
