{#- dbt run-operation provision --target cold, or `vend provision`: what an empty Snowflake account needs before the first
    sync and build. The SQL is in the macros it calls, to be read before it is run. It can be rerun, and sets again what a
    hand has changed. dry_run: print the statements and run none; that needs no account. monitor: also what only
    ACCOUNTADMIN may do. public_keys: the service users' public keys, without the lines around them, by user. -#}
{% macro provision(dry_run=false, monitor=false, public_keys={}) %}
    {%- if execute -%}
        {%- set parts = [
            provision_roles(),
            provision_warehouses(),
            provision_database(),
            provision_grants(),
            provision_users(public_keys),
        ] + ([provision_monitor()] if monitor else []) -%}
        {%- for statement in modules.re.split(';\\s*\\n', parts | join('\n')) if statement | trim -%}
            {{- print(statement | trim ~ ';') -}}
            {%- do run_query(statement | trim) if not dry_run -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
