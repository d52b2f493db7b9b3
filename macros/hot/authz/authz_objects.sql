{#- Schema authz: who is asking, and what they may see. Nobody has USAGE on it; views and policies call its functions by
    their number, for which EXECUTE is enough. Each function runs as its owner, who built the hot side, with a search path
    that no session can change, and reads the tables of the moment, so that a revocation works at once. -#}
{% macro authz_objects() %}
    {#- No parallel workers within: before the minor releases of November 2024 they forgot a role that was set. -#}
    {%- set secured = "stable parallel restricted security definer set search_path = pg_catalog, pg_temp"
        ~ " set max_parallel_workers_per_gather = 0" -%}
    create schema if not exists authz;
    revoke all on schema authz from public;

    create table if not exists authz.login_user (
        login name primary key check (login not in ('vend_app', 'vend_bi', 'vend_sync')),
        user_id uuid not null
    );
    do $body$
    begin
        if not exists (
            select from pg_attribute where attrelid = 'authz.login_user'::regclass and attname = 'role'
        ) then
            alter table authz.login_user add column role regrole unique;
            update authz.login_user set role = to_regrole(quote_ident(login));
        end if;
    end
    $body$;
    comment on column authz.login_user.role is
    'The login itself, which stays what it is under another name; null while there is none of the name.';
    comment on table authz.login_user is
    'Logins that may run SQL of their own, such as a BI tool''s, each bound to the user whose garages it sees.';

    create or replace function authz.note_role() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $body$
    begin
        new.role := to_regrole(quote_ident(new.login));
        return new;
    end
    $body$;
    do $body$
    begin
        if not exists (
            select from pg_trigger where tgrelid = 'authz.login_user'::regclass and tgname = 'note_role'
        ) then
            create trigger note_role before insert or update of login on authz.login_user
            for each row execute function authz.note_role();
        end if;
    end
    $body$;

    -- Inside a function of another owner current_user is that owner; the setting still names the caller's SET ROLE.
    create or replace function authz.acting_role() returns name
    language sql {{ secured }}
    as $body$ select coalesce(nullif(current_setting('role'), 'none')::name, session_user) $body$;

    -- The owner of the hot side, roles with its privileges, superusers: they could read hot anyway.
    create or replace function authz.is_owner() returns boolean
    language sql {{ secured }}
    as $body$ select pg_has_role(authz.acting_role(), current_user, 'usage') $body$;

    -- A bound login is its user, whatever it sets; only vend_app is believed who it says it acts for.
    create or replace function authz.current_user_id() returns uuid
    language plpgsql {{ secured }}
    as $body$
    declare
        bound uuid := (
            select user_id from authz.login_user
            where role = quote_ident(session_user)::regrole or (role is null and login = session_user)
            order by role
            limit 1
        );
    begin
        if bound is not null then
            return bound;
        elsif exists (
            select from pg_roles where rolname = 'vend_app' and pg_has_role(authz.acting_role(), oid, 'usage')
        ) then
            return nullif(current_setting('app.current_user_id', true), '')::uuid;
        end if;
        return null;
    end
    $body$;

    create or replace function authz.is_super_admin() returns boolean
    language sql {{ secured }}
    as $body$
        select exists (select from public.users where id = authz.current_user_id() and role = 'super_admin')
    $body$;

    create or replace function authz.sees_all() returns boolean
    language sql {{ secured }}
    as $body$ select authz.is_owner() or authz.is_super_admin() $body$;

    create or replace function authz.my_garages() returns uuid[]
    language plpgsql {{ secured }}
    as $body$
    begin
        if authz.sees_all() then
            return array(select id from public.garages);
        end if;
        return array(select garage_id from public.garage_admins where user_id = authz.current_user_id());
    end
    $body$;

    -- For the policies on the operational tables:
    create or replace function authz.my_subscriptions() returns uuid[]
    language sql {{ secured }}
    as $body$ select array(select id from public.subscriptions where user_id = authz.current_user_id()) $body$;

    create or replace function authz.my_passes() returns uuid[]
    language sql {{ secured }}
    as $body$ select array(select id from public.passes where garage_id = any(authz.my_garages())) $body$;

    -- Those a user administers, and those they have a subscription in.
    create or replace function authz.known_garages() returns uuid[]
    language sql {{ secured }}
    as $body$
        select authz.my_garages()
            || array(select garage_id from public.subscriptions where user_id = authz.current_user_id())
    $body$;
{% endmacro %}

{#- Bindings of logins that were dropped can never count again; those of renamed ones take the new name, those made ahead of
    their login the login. -#}
{% macro renew_bindings() %}
    delete from authz.login_user
    where role is not null and not exists (select from pg_roles where oid = role);
    -- all taken away before any comes back, for two may have swapped their names; note_role finds the role by the new name
    with renamed as (
        delete from authz.login_user using pg_roles where oid = role and login <> rolname returning rolname, user_id
    )
    insert into authz.login_user (login, user_id) select rolname, user_id from renamed order by rolname;
    update authz.login_user set login = login where role is null and to_regrole(quote_ident(login)) is not null;
{% endmacro %}

{#- What the tenants' roles need and hold of schema authz and reporting, and nothing else. -#}
{% macro authz_grants() %}
    revoke all on all routines in schema authz from public;
    revoke all on all tables in schema authz from public;
    do $body$
    declare
        tenant text;
    begin
        for tenant in select rolname from pg_roles where rolname in ('vend_app', 'vend_bi') loop
            execute format('grant usage on schema reporting to %I', tenant);
            execute format('grant execute on function authz.my_garages(), authz.sees_all() to %I', tenant);
        end loop;
        if exists (select from pg_roles where rolname = 'vend_app') then
            grant execute on function authz.current_user_id(), authz.is_super_admin(), authz.my_subscriptions(),
                authz.my_passes(), authz.known_garages() to vend_app;
        end if;
    end
    $body$;
{% endmacro %}
