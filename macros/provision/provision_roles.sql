{#- Who does what. Whatever a role of ours owns or may do, SYSADMIN may too, as Snowflake advises. VEND_ADMIN sees every
    garage through the secure views; GARAGE_ADMIN the garages that SECURITY.garage_access gives its user; VEND_APP those of the
    user whom it names, so nobody has it who is not trusted to name anybody. -#}
{% macro provision_roles() %}
use role useradmin;
create role if not exists vend_loader comment = 'vend sync: writes RAW and OPS';
create role if not exists vend_transformer comment = 'dbt: reads RAW, writes STAGING, MARTS, REPORTS and SECURITY';
create role if not exists vend_analyst comment = 'reads MARTS and REPORTS, every garage';
create role if not exists garage_admin comment = 'reads the secure views of REPORTS, the garages of its user';
create role if not exists vend_app comment = 'reads the secure views of REPORTS for the user in variable app_user';
create role if not exists vend_admin comment = 'reads the secure views of REPORTS, every garage';
use role securityadmin;
grant role vend_loader to role sysadmin;
grant role vend_transformer to role sysadmin;
grant role vend_analyst to role sysadmin;
grant role garage_admin to role vend_admin;
grant role garage_admin to role vend_app;
grant role vend_app to role sysadmin;
grant role vend_admin to role sysadmin;
{% endmacro %}
