{#- Before a build of the hot side: schema authz, who reads what, and the grants of the tenants' roles where these
    exist. Roles belong to the whole server and are made by create_roles, not here. -#}
{% macro prepare_authz() %}
    {%- if target.type == 'postgres' and flags.WHICH in ('build', 'run') and execute -%}
        {%- set refusal = run_query(authz_refusal()).columns[0].values() | select | join(' ') -%}
        {%- if refusal -%} {{ exceptions.raise_compiler_error(refusal) }} {%- endif -%}
        select pg_advisory_xact_lock(hashtextextended('vend: prepare', 0)); -- two builds at once
        {{ authz_objects() }}
        {{ authz_grants() }}
        {%- set there = run_query("select from pg_roles where rolname in ('vend_app', 'vend_bi')") | length -%}
        {%- if there < 2 and not env_var('VEND_REHEARSAL', '') -%}
            {{ log('Tenants have no access yet: the roles vend_app and vend_bi are not there. `vend roles` (dbt: '
                ~ 'run-operation create_roles) makes them, as a user who may create roles.', info=True) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#- A sentence per reason why the user of the build must not build: a tenant would own the views and see all, and who
    is filtered by row-level security would build them half empty, in silence. -#}
{% macro authz_refusal() %}
    select format(
        '%s is a tenant''s role and must not own the hot views. Build them with the login of an engineer or a service.',
        current_user
    )
    where current_user in ('vend_app', 'vend_bi')

    union all

    select format(
        'Row-level security would hide rows of public.%s from %s, and the hot views would lack them. Run `vend roles` '
        || 'as the owner of the table, or as a superuser: alter role %I bypassrls;', relname, current_user, current_user
    )
    from pg_class as class
    where relnamespace = 'public'::regnamespace
        and relname in ({{ "'" ~ operational_tables() | join("', '") ~ "'" }})
        and row_security_active(oid)
        and not exists (
            select from pg_policies
            where schemaname = 'public' and tablename = class.relname and qual = 'true' and cmd in ('ALL', 'SELECT')
                and exists (select from unnest(roles) as role where pg_has_role(role, 'usage'))
        )
{% endmacro %}

{% macro operational_tables() -%}
    {{ return(['users', 'garages', 'passes', 'subscriptions', 'payments', 'pass_price_history', 'garage_admins',
        'parked', 'garage_daily_occupancy']) }}
{%- endmacro %}
