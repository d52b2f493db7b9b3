{#- Each statement that builds or tests something is tagged with its name, so a bill can be read by model; then the tag is
    again the profile's. Called by dbt's materializations on Snowflake. -#}
{% macro snowflake__set_query_tag() -%}
    {%- do run_query("alter session set query_tag = '" ~ node_tag() ~ "'") -%}
    {{- return(none) -}}
{%- endmacro %}

{% macro snowflake__unset_query_tag(original_query_tag) -%}
    {%- do run_query("alter session set query_tag = 'vend_analytics'") -%}
{%- endmacro %}

{#- vend_analytics:<name>; the name of a test may be anything, and what goes into the statement may not. -#}
{% macro node_tag() -%}
    vend_analytics:{{ modules.re.sub('\\W', '_', model.name) }}
{%- endmacro %}
