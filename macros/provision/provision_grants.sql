{#- No more than each needs. SECURITY is read by nobody but its owner's views. On REPORTS there are no future grants to
    GARAGE_ADMIN: a table there holds every garage, so each build opens the secure views alone (open_to_garage_admins). -#}
{% macro provision_grants() %}
{%- set database = target.database %}
use role securityadmin;
grant usage on warehouse etl_wh to role vend_loader;
grant usage on database {{ database }} to role vend_loader;
grant usage, create table on schema {{ database }}.raw to role vend_loader;
grant usage, create table, create stage on schema {{ database }}.ops to role vend_loader;

grant usage on warehouse dbt_wh to role vend_transformer;
grant usage on database {{ database }} to role vend_transformer;
{%- for schema in ('raw', 'ops') %}
grant usage on schema {{ database }}.{{ schema }} to role vend_transformer;
grant select on all tables in schema {{ database }}.{{ schema }} to role vend_transformer;
grant select on future tables in schema {{ database }}.{{ schema }} to role vend_transformer;
{%- endfor %}
grant create table on schema {{ database }}.ops to role vend_transformer;
{%- for schema in ('staging', 'marts', 'reports') %}
grant usage, create table, create view on schema {{ database }}.{{ schema }} to role vend_transformer;
{%- endfor %}
grant usage, create view on schema {{ database }}.security to role vend_transformer;

grant usage on warehouse bi_wh to role vend_analyst;
grant usage on database {{ database }} to role vend_analyst;
{%- for schema in ('marts', 'reports') %}
grant usage on schema {{ database }}.{{ schema }} to role vend_analyst;
{%- for kind in ('tables', 'views') %}
grant select on all {{ kind }} in schema {{ database }}.{{ schema }} to role vend_analyst;
grant select on future {{ kind }} in schema {{ database }}.{{ schema }} to role vend_analyst;
{%- endfor %}
{%- endfor %}

grant usage on warehouse bi_wh to role garage_admin;
grant usage on database {{ database }} to role garage_admin;
grant usage on schema {{ database }}.reports to role garage_admin;
{% endmacro %}
