{#- A naive UTC timestamp as wall-clock time of var reporting_timezone. -#}
{% macro to_reporting_time(utc_timestamp) -%}
    {%- if reporting_timezone() == 'UTC' -%}
        {{ utc_timestamp }}
    {%- else -%}
        {{ adapter.dispatch('to_reporting_time')(utc_timestamp) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__to_reporting_time(utc_timestamp) -%}
    (({{ utc_timestamp }}) at time zone 'UTC' at time zone '{{ reporting_timezone() }}')
{%- endmacro %}

{% macro snowflake__to_reporting_time(utc_timestamp) -%}
    convert_timezone('UTC', '{{ reporting_timezone() }}', {{ utc_timestamp }})
{%- endmacro %}

{#- Var reporting_timezone. A name that the IANA list does not have stops the run with a sentence; Postgres, for one,
    takes an abbreviation for a fixed offset without a word. -#}
{% macro reporting_timezone() -%}
    {%- set zone = var('reporting_timezone') -%}
    {%- if zone not in modules.pytz.all_timezones_set -%}
        {{ exceptions.raise_compiler_error(
            "reporting_timezone is '" ~ zone ~ "'; write a zone by its IANA name, as UTC or America/Chicago.") }}
    {%- endif -%}
    {{- return(zone) -}}
{%- endmacro %}
