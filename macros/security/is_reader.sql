{#- Whether a row of garage_access is about whoever runs the query. On Snowflake that is the login, named like the
    user's email address; under the application's role VEND_APP, and under no other, the user whose id the session variable
    APP_USER holds: anyone with SQL can set a variable. DuckDB has no logins: `set variable app_user = …` (id or email) names the user, which makes
    the views a filter there and no boundary. Nobody named: false for every row. -#}
{% macro is_reader(access) -%}
    {{ return(adapter.dispatch('is_reader')(access)) }}
{%- endmacro %}

{% macro default__is_reader(access) -%}
    lower(getvariable('app_user')) in ({{ access }}.user_id, {{ access }}.email)
{%- endmacro %}

{% macro snowflake__is_reader(access) -%}
    (
        {{ access }}.login_name = current_user()
        or (is_role_in_session('VEND_APP') and {{ access }}.user_id = getvariable('APP_USER'))
    )
{%- endmacro %}
