{#- dbt run-operation create_roles, or `vend roles`: the roles of the tenants and of sync, what they hold, and row-level
    security on the operational tables. It can be rerun, changes what differs, and says what it did. The SQL is in the
    macros it calls, to be read before it is run. -#}
{% macro create_roles() %}
    {%- if execute -%}
        {% do run_query('create temporary table told (line int generated always as identity, sentence text)') %}
        {% do run_query(roles_themselves()) %}
        {% set built = run_query("select to_regprocedure('authz.my_garages()') is not null").rows[0][0] %}
        {% if built %}
            {% do run_query(authz_grants()) %}
            {% for view in graph.nodes.values() if view.config.materialized == 'secure_view' %}
                {% set relation = adapter.get_relation(view.database, view.schema, view.alias) %}
                {% do run_query(open_view(relation)) if relation %}
            {% endfor %}
            {% do run_query(row_security()) %}
            {% do run_query(closed_by_default()) %}
        {% else %}
            {% do run_query("insert into told (sentence) values ('The hot side is not built yet: run `vend build hot`, "
                ~ "then this again, for the grants and row-level security.')") %}
        {% endif %}
        {% for row in run_query('select sentence from told order by line').rows %}
            {{- print(row[0]) -}}
        {% endfor %}
        {% do run_query('drop table told') %}
        {% do run_query('commit') %}
    {%- endif -%}
{% endmacro %}

{#- Other databases of the server may be doing the same at this moment; a role made meanwhile is as good. -#}
{% macro roles_themselves() %}
    do $body$
    declare
        wanted record;
        found pg_roles;
        builder name := (select nspowner::regrole::text from pg_namespace where nspname = 'authz');
        powerful text;
    begin
        for wanted in
            select *
            from (values
                ('vend_app', 'login', 'the application; give it a password: alter role vend_app password ''…'''),
                ('vend_bi', 'nologin', 'the group of the BI logins; add one with: vend roles --bind LOGIN USER'),
                ('vend_sync', 'login', 'what vend sync reads with; give it a password: alter role vend_sync password ''…''')
            ) as role (name, may_login, purpose)
        loop
            if exists (select from pg_roles where rolname = wanted.name) then
                insert into told (sentence) values (wanted.name || ' is there.');
                continue;
            end if;
            begin
                execute format('create role %I %s', wanted.name, wanted.may_login);
                insert into told (sentence) values (format('Created %s, %s.', wanted.name, wanted.purpose));
            exception
                when duplicate_object or unique_violation then null;
                when insufficient_privilege then
                    raise exception '% may not create roles. Run this as a superuser, or there: alter role % createrole;',
                        current_user, quote_ident(current_user);
            end;
        end loop;

        for found in select * from pg_roles where rolname in ('vend_app', 'vend_bi') loop
            powerful := case
                when found.rolsuper then 'is a superuser'
                when found.rolbypassrls then 'bypasses row-level security'
                when found.rolcreaterole then 'may create roles'
                when found.rolreplication then 'may replicate'
            end;
            if powerful is not null then
                raise exception '% %, so nothing closes rows to it. Run: alter role % '
                    'nosuperuser nobypassrls nocreaterole noreplication;', found.rolname, powerful, found.rolname;
            end if;
            select rolname into powerful
            from pg_roles
            where rolname <> found.rolname
                and (rolname in (builder, 'pg_read_all_data', 'vend_sync') or rolsuper or rolbypassrls)
                and pg_has_role(found.oid, oid, 'member');
            if powerful is not null then
                raise exception '% is a member of %, so nothing closes rows to it. Run: revoke % from %;',
                    found.rolname, powerful, quote_ident(powerful), found.rolname;
            end if;
        end loop;

        if exists (select from pg_roles where rolname = 'vend_sync' and not rolbypassrls) then
            begin
                alter role vend_sync bypassrls;
                insert into told (sentence) values ('vend_sync bypasses row-level security, to read every row.');
            exception
                when internal_error then null; -- another session altered it at the same moment, to the same
                when insufficient_privilege then
                    insert into told (sentence) values (
                        'vend_sync does not bypass row-level security yet, and sync refuses until it does. '
                        || 'Run as a superuser: alter role vend_sync bypassrls;'
                    );
            end;
        end if;
    end
    $body$;
{% endmacro %}

{#- hot and authz stay closed, and what is made there or in reporting later begins closed. -#}
{% macro closed_by_default() %}
    do $body$
    declare
        builder name := (select nspowner::regrole::text from pg_namespace where nspname = 'authz');
        place text;
    begin
        if not pg_has_role(builder, 'usage') then
            insert into told (sentence) values (format(
                '%s, who built the hot side, or a superuser must run this too, to close what will be made there later.',
                builder
            ));
            return;
        end if;
        insert into told (sentence)
        select case
            when rolname is null then format('%s was dropped, and so its binding is removed.', login)
            else format('%s is called %s now; its binding goes with it.', login, rolname)
        end
        from authz.login_user
        left join pg_roles on pg_roles.oid = role
        where role is not null and login is distinct from rolname;
        {{ renew_bindings() }}
        insert into told (sentence)
        select format(
            '%s is bound to a user, but there is no such login; whoever gets one of that name sees what the user may. '
            'If it is not to come back: delete from authz.login_user where login = %L;', login, login
        )
        from authz.login_user
        where login not in (select rolname from pg_roles);
        revoke all on schema hot, authz from public, vend_app, vend_bi;
        revoke all on all tables in schema hot, authz from public, vend_app, vend_bi;
        revoke all on all routines in schema hot, reporting from public, vend_app, vend_bi;
        revoke create on schema reporting from public, vend_app, vend_bi;
        if not exists (
            select from pg_db_role_setting
            where setrole = 'vend_app'::regrole and 'search_path=reporting, public' = any(setconfig)
                and setdatabase = (select oid from pg_database where datname = current_database())
        ) then
            execute format('alter role vend_app in database %I set search_path = reporting, public', current_database());
        end if;
        foreach place in array array['hot', 'authz', 'reporting'] loop
            execute format(
                'alter default privileges for role %I in schema %I revoke all on tables from public, vend_app, vend_bi',
                builder, place
            );
        end loop;
        -- Postgres lets everybody execute a new function, and only for all schemas at once can that be changed.
        if not exists (
            select from pg_default_acl
            where defaclrole = (select oid from pg_roles where rolname = builder)
                and defaclnamespace = 0 and defaclobjtype = 'f'
        ) then
            execute format('alter default privileges for role %I revoke execute on functions from public', builder);
            insert into told (sentence) values (format(
                'Functions that %s makes from now on can be executed by others only where they are granted.', builder
            ));
        end if;
    end
    $body$;
{% endmacro %}
