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
use role sysadmin;
create warehouse if not exists etl_wh warehouse_size = xsmall auto_suspend = 60 initially_suspended = true;
alter warehouse etl_wh set
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    statement_timeout_in_seconds = 3600;
create warehouse if not exists dbt_wh warehouse_size = small auto_suspend = 60 initially_suspended = true;
alter warehouse dbt_wh set
    warehouse_size = small
    auto_suspend = 60
    auto_resume = true
    statement_timeout_in_seconds = 3600;
create warehouse if not exists bi_wh warehouse_size = xsmall auto_suspend = 60 initially_suspended = true;
alter warehouse bi_wh set
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    statement_timeout_in_seconds = 3600;
use role sysadmin;
create database if not exists VEND_ANALYTICS;
create schema if not exists VEND_ANALYTICS.raw;
create schema if not exists VEND_ANALYTICS.staging;
create schema if not exists VEND_ANALYTICS.marts;
create schema if not exists VEND_ANALYTICS.reports;
create schema if not exists VEND_ANALYTICS.ops;
create schema if not exists VEND_ANALYTICS.security;
use role securityadmin;
grant usage on warehouse etl_wh to role vend_loader;
grant usage on database VEND_ANALYTICS to role vend_loader;
grant usage, create table on schema VEND_ANALYTICS.raw to role vend_loader;
grant usage, create table, create stage on schema VEND_ANALYTICS.ops to role vend_loader;
grant usage on warehouse dbt_wh to role vend_transformer;
grant usage on database VEND_ANALYTICS to role vend_transformer;
grant usage on schema VEND_ANALYTICS.raw to role vend_transformer;
grant select on all tables in schema VEND_ANALYTICS.raw to role vend_transformer;
grant select on future tables in schema VEND_ANALYTICS.raw to role vend_transformer;
grant usage on schema VEND_ANALYTICS.ops to role vend_transformer;
grant select on all tables in schema VEND_ANALYTICS.ops to role vend_transformer;
grant select on future tables in schema VEND_ANALYTICS.ops to role vend_transformer;
grant create table on schema VEND_ANALYTICS.ops to role vend_transformer;
grant usage, create table, create view on schema VEND_ANALYTICS.staging to role vend_transformer;
grant usage, create table, create view on schema VEND_ANALYTICS.marts to role vend_transformer;
grant usage, create table, create view on schema VEND_ANALYTICS.reports to role vend_transformer;
grant usage, create view on schema VEND_ANALYTICS.security to role vend_transformer;
grant usage on warehouse bi_wh to role vend_analyst;
grant usage on database VEND_ANALYTICS to role vend_analyst;
grant usage on schema VEND_ANALYTICS.marts to role vend_analyst;
grant select on all tables in schema VEND_ANALYTICS.marts to role vend_analyst;
grant select on future tables in schema VEND_ANALYTICS.marts to role vend_analyst;
grant select on all views in schema VEND_ANALYTICS.marts to role vend_analyst;
grant select on future views in schema VEND_ANALYTICS.marts to role vend_analyst;
grant usage on schema VEND_ANALYTICS.reports to role vend_analyst;
grant select on all tables in schema VEND_ANALYTICS.reports to role vend_analyst;
grant select on future tables in schema VEND_ANALYTICS.reports to role vend_analyst;
grant select on all views in schema VEND_ANALYTICS.reports to role vend_analyst;
grant select on future views in schema VEND_ANALYTICS.reports to role vend_analyst;
grant usage on warehouse bi_wh to role garage_admin;
grant usage on database VEND_ANALYTICS to role garage_admin;
grant usage on schema VEND_ANALYTICS.reports to role garage_admin;
use role useradmin;
create user if not exists vend_sync type = service;
alter user vend_sync set
    type = service
    default_role = vend_loader
    default_secondary_roles = ()
    default_warehouse = etl_wh
    default_namespace = VEND_ANALYTICS
    timezone = 'UTC'
    timestamp_type_mapping = 'TIMESTAMP_NTZ'
    week_start = 1
    week_of_year_policy = 0
    default_null_ordering = 'LAST'
    error_on_nondeterministic_merge = true;
create user if not exists vend_dbt type = service;
alter user vend_dbt set
    type = service
    default_role = vend_transformer
    default_secondary_roles = ()
    default_warehouse = dbt_wh
    default_namespace = VEND_ANALYTICS
    timezone = 'UTC'
    timestamp_type_mapping = 'TIMESTAMP_NTZ'
    week_start = 1
    week_of_year_policy = 0
    default_null_ordering = 'LAST'
    error_on_nondeterministic_merge = true;
alter user vend_dbt set rsa_public_key = 'KEY';
create user if not exists vend_metabase type = service;
alter user vend_metabase set
    type = service
    default_role = vend_analyst
    default_secondary_roles = ()
    default_warehouse = bi_wh
    default_namespace = VEND_ANALYTICS
    timezone = 'UTC'
    timestamp_type_mapping = 'TIMESTAMP_NTZ'
    week_start = 1
    week_of_year_policy = 0
    default_null_ordering = 'LAST'
    error_on_nondeterministic_merge = true;
use role securityadmin;
grant role vend_loader to user vend_sync;
grant role vend_transformer to user vend_dbt;
grant role vend_analyst to user vend_metabase;
use role accountadmin;
create resource monitor if not exists vend_monitor with
    credit_quota = 250
    frequency = monthly
    start_timestamp = immediately
    triggers
        on 80 percent do notify
        on 100 percent do suspend
        on 110 percent do suspend_immediate;
alter resource monitor vend_monitor set credit_quota = 250;
alter warehouse etl_wh set resource_monitor = vend_monitor;
alter warehouse dbt_wh set resource_monitor = vend_monitor;
alter warehouse bi_wh set resource_monitor = vend_monitor;
grant database role snowflake.usage_viewer to role vend_admin;
grant database role snowflake.governance_viewer to role vend_admin;
