{#- The instant (UTC, a naive timestamp) up to which events count: var as_of, else the environment's DBT_ENV_CUSTOM_ENV_AS_OF,
    else the run's start. -#}
{% macro as_of() -%}
    cast('{{ as_of_text() }}' as {{ type_naive_timestamp() }})
{%- endmacro %}

{#- The same as text: 'YYYY-MM-DD HH:MI:SS.ffffff'. A malformed value stops the run with a sentence. -#}
{% macro as_of_text() -%}
    {%- set given = given_as_of() -%}
    {%- if not given -%}
        {{- return(run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f')) -}}
    {%- endif -%}
    {%- set pattern = '^\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?)?$' -%}
    {%- if not modules.re.match(pattern, given) -%}
        {{ exceptions.raise_compiler_error(
            "as_of is '" ~ given ~ "'; write an instant in UTC as 2026-01-31 or '2026-01-31 12:00:00'.") }}
    {%- endif -%}
    {{- return(modules.datetime.datetime.fromisoformat(given).strftime('%Y-%m-%d %H:%M:%S.%f')) -}}
{%- endmacro %}

{#- What was given as as_of, as it was written; empty if nothing was. The environment is not asked while dbt parses, for it
    parses a model anew when a variable that it read has changed. -#}
{% macro given_as_of() -%}
    {{- return((var('as_of', none) or (env_var('DBT_ENV_CUSTOM_ENV_AS_OF', '') if execute else '')) | string | trim) -}}
{%- endmacro %}

{#- The year of as_of in var reporting_timezone, a number: around New Year it is not that of UTC. -#}
{% macro as_of_year() -%}
    {%- set instant = modules.pytz.utc.localize(modules.datetime.datetime.fromisoformat(as_of_text())) -%}
    {{- return(instant.astimezone(modules.pytz.timezone(reporting_timezone())).year) -}}
{%- endmacro %}
