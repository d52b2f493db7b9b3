{#- dbt run-operation bind_login --args '{login: bi_anna, user: anna@example.com}', or `vend roles --bind`: a login for a
    BI tool, in the group vend_bi, that sees what one user may see. Made without a password. -#}
{% macro bind_login(login, user) %}
    {%- if execute -%}
        {% set quoted = "'" ~ (login | string).replace("'", "''") ~ "'" %}
        {% set wanted = "'" ~ (user | string).replace("'", "''") ~ "'" %}
        {% do run_query(bound_login(quoted, wanted)) %}
        {% do run_query('commit') %}
        {{- print(login ~ ' sees what ' ~ user ~ ' may see. Give it a password: alter role ' ~ adapter.quote(login)
            ~ " password '…'") -}}
    {%- endif -%}
{% endmacro %}

{% macro bound_login(login, user) %}
    do $vend_bind$
    declare
        bound name := {{ login }};
        people uuid[];
    begin
        if to_regclass('authz.login_user') is null or not exists (select from pg_roles where rolname = 'vend_bi') then
            raise exception 'There is nothing to bind a login to yet. Run `vend build hot`, then `vend roles`.';
        end if;
        people := array(
            select id from public.users where id::text = lower({{ user }}) or lower(email) = lower({{ user }})
        );
        if cardinality(people) = 0 then
            raise exception 'There is no user %. Name one by id or email.', {{ user }};
        elsif cardinality(people) > 1 then
            raise exception 'There are % users with the address %. Name one by id.', cardinality(people), {{ user }};
        end if;
        begin
            execute format('create role %I login', bound);
        exception when duplicate_object or unique_violation then null;
        end;
        if (select rolsuper or rolbypassrls or pg_has_role(oid, 'vend_app', 'member') from pg_roles where rolname = bound) then
            raise exception '% is a superuser, bypasses row-level security or acts for vend_app; take a login of its own.',
                bound;
        end if;
        {{ renew_bindings() }}
        execute format('grant vend_bi to %I', bound);
        execute format('alter role %I in database %I set search_path = reporting', bound, current_database());
        insert into authz.login_user (login, user_id) values (bound, people[1])
        on conflict (login) do update set user_id = excluded.user_id;
    end
    $vend_bind$;
{% endmacro %}
