{#- The services, with a key pair and no password. dbt's profile sets no session parameters, so the user brings them:
    naive timestamps, UTC, ISO weeks. No secondary roles: a session has the rights of its role and no others. A user
    without a public key cannot log in yet. -#}
{% macro provision_users(public_keys={}) %}
{%- set users = {
    'vend_sync': {'role': 'vend_loader', 'warehouse': 'etl_wh'},
    'vend_dbt': {'role': 'vend_transformer', 'warehouse': 'dbt_wh'},
    'vend_metabase': {'role': 'vend_analyst', 'warehouse': 'bi_wh'},
} %}
use role useradmin;
{%- for name, user in users.items() %}
create user if not exists {{ name }} type = service;
alter user {{ name }} set
    type = service
    default_role = {{ user.role }}
    default_secondary_roles = ()
    default_warehouse = {{ user.warehouse }}
    default_namespace = {{ target.database }}
    timezone = 'UTC'
    timestamp_type_mapping = 'TIMESTAMP_NTZ'
    week_start = 1
    week_of_year_policy = 0
    default_null_ordering = 'LAST'
    error_on_nondeterministic_merge = true;
{%- if public_keys.get(name) %}
alter user {{ name }} set rsa_public_key = '{{ public_key(name, public_keys[name]) }}';
{%- endif %}
{%- endfor %}
use role securityadmin;
{%- for name, user in users.items() %}
grant role {{ user.role }} to user {{ name }};
{%- endfor %}
{% endmacro %}

{#- A public key as Snowflake wants it: the base64 text of its PEM file, in one line; anything else stops the run. -#}
{% macro public_key(name, key) -%}
    {%- if not modules.re.match('^[A-Za-z0-9+/]{100,}={0,2}$', key) -%}
        {{ exceptions.raise_compiler_error("What was given for " ~ name ~ " is not the base64 text of a public key.") }}
    {%- endif -%}
    {{- return(key) -}}
{%- endmacro %}
