{#- One per purpose, so that none waits for another and each has its own bill. A size is set once more at each run, by var
    `warehouse_sizes`; suspended after var `warehouse_suspend` seconds without a query: a minute, for a started one is
    billed anyway. -#}
{% macro provision_warehouses() %}
use role sysadmin;
{%- for name, size in var('warehouse_sizes').items() %}
create warehouse if not exists {{ name }} warehouse_size = {{ size }} auto_suspend = {{ var('warehouse_suspend') }} initially_suspended = true;
alter warehouse {{ name }} set
    warehouse_size = {{ size }}
    auto_suspend = {{ var('warehouse_suspend') }}
    auto_resume = true
    statement_timeout_in_seconds = 3600;
{%- endfor %}
{% endmacro %}
