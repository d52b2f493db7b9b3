{#- What only ACCOUNTADMIN may do: a monthly limit on the credits of our warehouses, var `monthly_credits`, and the views of
    ACCOUNT_USAGE that tell what they cost. -#}
{% macro provision_monitor() %}
use role accountadmin;
create resource monitor if not exists vend_monitor with
    credit_quota = {{ var('monthly_credits') }}
    frequency = monthly
    start_timestamp = immediately
    triggers
        on 80 percent do notify
        on 100 percent do suspend
        on 110 percent do suspend_immediate;
alter resource monitor vend_monitor set credit_quota = {{ var('monthly_credits') }};
{%- for name in var('warehouse_sizes') %}
alter warehouse {{ name }} set resource_monitor = vend_monitor;
{%- endfor %}
grant database role snowflake.usage_viewer to role vend_admin;
grant database role snowflake.governance_viewer to role vend_admin;
{% endmacro %}
