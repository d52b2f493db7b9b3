{#- Row-level security on the operational tables, for vend_app, whose rows are those of the user it acts for. Roles that
    could use a table before go on as before, by a policy of their own; those granted later see nothing without one. -#}
{% macro row_security() %}
    {%- set is_me = ' = (select authz.current_user_id())' -%}
    {%- set in_my_garage = is_among('garage_id', 'my_garages') -%}
    {%- set policies = {
        'users': 'id' ~ is_me ~ ' or (select authz.is_super_admin())',
        'garages': is_among('id', 'known_garages'),
        'passes': is_among('garage_id', 'known_garages'),
        'subscriptions': 'user_id' ~ is_me ~ ' or ' ~ in_my_garage,
        'payments': is_among('subscription_id', 'my_subscriptions') ~ ' or ' ~ in_my_garage,
        'pass_price_history': is_among('pass_id', 'my_passes'),
        'garage_admins': 'user_id' ~ is_me ~ ' or ' ~ in_my_garage,
        'parked': 'user_id' ~ is_me ~ ' or ' ~ in_my_garage,
        'garage_daily_occupancy': in_my_garage,
    } -%}
    do $body$
    declare
        wanted record;
        place regclass;
        granted_to oid[];
        others text[];
        fingerprint text;
        changed text[] := '{}';
        kept text[] := '{}';
    begin
        set local lock_timeout = '10s'; -- a policy waits for who uses its table, and makes others wait
        grant usage on schema public to vend_app, vend_sync;
        for wanted in
            select *
            from (values
                {% for table in operational_tables() -%}
                ('{{ table }}', '{{ policies[table] }}'){{ ',' if not loop.last }}
                {% endfor %}
            ) as policy (relation, condition)
        loop
            place := to_regclass(format('public.%I', wanted.relation));
            if place is null then
                insert into told (sentence) values (format('public.%s is not there.', wanted.relation));
                continue;
            end if;
            if not pg_has_role((select relowner from pg_class where oid = place), 'usage') then
                raise exception '% does not own public.%, so cannot set row-level security on it. Run this as its owner, '
                    'or as a superuser.', current_user, wanted.relation;
            end if;
            granted_to := array(
                select acl.grantee
                from pg_class
                cross join lateral (
                    select relacl as list
                    union all
                    select attacl from pg_attribute where attrelid = place and not attisdropped
                ) as kept
                cross join lateral aclexplode(kept.list) as acl
                where pg_class.oid = place
            );
            if granted_to && array[0::oid, (select oid from pg_roles where rolname = 'vend_bi')] then
                raise exception 'public.% is granted to everybody, or to vend_bi. Run: revoke all on public.% from public, '
                    'vend_bi; and grant it to those who need it.', wanted.relation, wanted.relation;
            end if;

            -- who may use the table, or columns of it, by a grant and is bound by row-level security
            others := array(
                select distinct rolname::text
                from pg_class, pg_roles as role
                where pg_class.oid = place and role.oid = any(granted_to)
                    and not rolsuper and not rolbypassrls and rolname not in ('vend_app', 'vend_sync')
                    and not pg_has_role(role.oid, relowner, 'usage')
                union
                select rolname::text from pg_roles where rolname in ('pg_read_all_data', 'pg_write_all_data')
                order by 1
            );
            if exists (select from unnest(others) as other where pg_has_role('vend_app', other, 'member')) then
                raise exception 'vend_app is a member of a role that may use public.%, and would see all of it. '
                    'Take it out of these: %', wanted.relation, array_to_string(others, ', ');
            end if;

            fingerprint := 'vend ' || md5(wanted.condition || others::text);
            if not exists (
                select from pg_policy as policy, pg_class as class
                where class.oid = place and relrowsecurity and polrelid = place and polname = 'vend_app'
                    and obj_description(policy.oid, 'pg_policy') = fingerprint
            ) then
                execute format('drop policy if exists vend_app on %s', place);
                execute format('drop policy if exists vend_others on %s', place);
                execute format('create policy vend_app on %s for select to vend_app using (%s)', place, wanted.condition);
                if others <> '{}' then
                    execute format(
                        'create policy vend_others on %s to %s using (true) with check (true)',
                        place, (select string_agg(quote_ident(other), ', ') from unnest(others) as other)
                    );
                end if;
                execute format('comment on policy vend_app on %s is %L', place, fingerprint);
                execute format('alter table %s enable row level security', place);
                changed := changed || wanted.relation;
                kept := kept || others;
            end if;
            execute format('grant select on %s to vend_app, vend_sync', place);
        end loop;
        insert into told (sentence) values (case
            when changed = '{}' then 'Row-level security is on and unchanged on the operational tables.'
            else format(
                'Row-level security is on for vend_app on %s. All rows as before for: %s.',
                array_to_string(changed, ', '),
                concat_ws(', ', 'the tables'' owners', (
                    select string_agg(distinct role, ', ' order by role) from unnest(kept) as role
                ))
            )
        end);
    end
    $body$;
{% endmacro %}
