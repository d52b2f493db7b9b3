{#- Not transient, so RAW, OPS and the snapshots keep Time Travel and Fail-safe; dbt makes its other tables transient. -#}
{% macro provision_database() %}
use role sysadmin;
create database if not exists {{ target.database }};
{%- for schema in ('raw', 'staging', 'marts', 'reports', 'ops', 'security') %}
create schema if not exists {{ target.database }}.{{ schema }};
{%- endfor %}
{% endmacro %}
