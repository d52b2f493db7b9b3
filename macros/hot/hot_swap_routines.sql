{#- What the materializations of the hot side need so that a reader never meets a missing view: all run inside the
    caller's transaction and keep the grants, comments, owners and views that stand on what they replace. -#}
{% macro hot_swap_routines() %}
    -- Statements with %s for the relation's name: its grants and those of its columns.
    create or replace function hot.grants_of(relation regclass) returns text[]
    language sql stable
    as $body$
        select coalesce(array_agg(format(
            'grant %s%s on %s to %s%s', acl.privilege_type,
            case when granted.column_name is not null then
                replace(format(' (%I)', granted.column_name), '%', '%%')
            end,
            '%s',
            case when acl.grantee = 0 then 'public' else replace(quote_ident(pg_get_userbyid(acl.grantee)), '%', '%%') end,
            case when acl.is_grantable then ' with grant option' else '' end
        )), '{}')
        from (
            select relacl as acl, relowner as owner, null as column_name from pg_class where oid = relation
            union all
            select attribute.attacl, class.relowner, attribute.attname
            from pg_attribute as attribute
            inner join pg_class as class on class.oid = attribute.attrelid
            where attribute.attrelid = relation and not attribute.attisdropped
        ) as granted
        cross join lateral aclexplode(granted.acl) as acl
        where acl.grantee <> granted.owner
    $body$;

    -- The same for comments, but for the fingerprint that the project keeps in a relation's own.
    create or replace function hot.comments_of(relation regclass) returns text[]
    language sql stable
    as $body$
        select coalesce(array_agg(
            case
                when comment.objsubid = 0 then format('comment on view %s is %s', '%s', kept.text)
                else format('comment on column %s.%s is %s', '%s', kept.column_name, kept.text)
            end
        ), '{}')
        from pg_description as comment
        cross join lateral (
            select
                replace(quote_literal(comment.description), '%', '%%') as text,
                replace((
                    select quote_ident(attname) from pg_attribute
                    where attrelid = comment.objoid and attnum = comment.objsubid
                ), '%', '%%') as column_name
        ) as kept
        where comment.objoid = relation and comment.classoid = 'pg_class'::regclass
            and (comment.objsubid > 0 or comment.description !~ '^vend [0-9a-f]{32}$')
    $body$;

    -- Runs what grants_of and comments_of gave, on a relation that may have lost a column.
    create or replace function hot.carry_over(statements text[], relation text) returns void
    language plpgsql
    as $body$
    declare
        statement text;
    begin
        foreach statement in array statements loop
            begin
                execute format(statement, relation);
            exception when undefined_column then
                raise notice '% has lost a column: %', relation, sqlerrm;
            end;
        end loop;
    end
    $body$;

    -- Grants what a model's config `grants` says and revokes the rest of those privileges: {"select": ["role", …]}.
    -- Of the roles in `others` it takes nothing.
    drop function if exists hot.set_grants(regclass, jsonb);
    create or replace function hot.set_grants(relation regclass, wanted jsonb, others text[] default '{}') returns void
    language plpgsql
    as $body$
    declare
        statement text;
    begin
        for statement in
            with asked as (
                select lower(given.key) as privilege, role #>> '{}' as grantee
                from jsonb_each(wanted) as given
                cross join jsonb_array_elements(
                    case jsonb_typeof(given.value) when 'array' then given.value else jsonb_build_array(given.value) end
                ) as role
            ),

            held as (
                select
                    lower(acl.privilege_type) as privilege,
                    case when acl.grantee = 0 then 'public' else pg_get_userbyid(acl.grantee)::text end as grantee
                from pg_class
                cross join lateral aclexplode(relacl) as acl
                where oid = relation and acl.grantee <> relowner
            )

            select format('revoke %s on %s from %s', privilege, relation, hot.role_name(grantee)) from held
            where privilege in (select lower(key) from jsonb_each(wanted)) and grantee <> all(others)
                and (privilege, grantee) not in (select privilege, grantee from asked)
            union all
            select format('grant %s on %s to %s', privilege, relation, hot.role_name(grantee)) from asked
            where (privilege, grantee) not in (select privilege, grantee from held)
        loop
            execute statement;
        end loop;
    end
    $body$;

    create or replace function hot.role_name(name text) returns text
    language sql immutable
    as $body$ select case when lower(name) = 'public' then 'public' else quote_ident(name) end $body$;

    drop function if exists hot.swap_in(text);

    -- Puts hot.<relation>__next in the place of hot.<relation>. It waits for readers a moment at a time and lets go in
    -- between, so that one who reads for long does not make all others queue behind the swap.
    create or replace function hot.swap_in(relation text, patience interval default '5 minutes') returns void
    language plpgsql
    as $body$
    declare
        given_up_at constant timestamptz := clock_timestamp() + patience;
        usual constant text := current_setting('lock_timeout');
    begin
        loop
            begin
                perform set_config('lock_timeout', '250ms', true);
                perform hot.swap_in_at_once(relation);
                exit;
            exception when lock_not_available or deadlock_detected then
                if clock_timestamp() > given_up_at then
                    raise exception 'hot.% was read without a pause for %; it is as it was', relation, patience
                        using errcode = 'lock_not_available',
                        hint = 'Find the long reader in pg_stat_activity, then build again.';
                end if;
                perform pg_sleep(0.5);
            end;
        end loop;
        perform set_config('lock_timeout', usual, true);
    end
    $body$;

    create or replace function hot.swap_in_at_once(relation text) returns void
    language plpgsql
    as $body$
    declare
        old_relation regclass := to_regclass(format('hot.%I', relation));
        own_grants text[] := '{}';
        dependants jsonb := '[]';
        dependant jsonb;
        index_name text;
    begin
        if old_relation is not null then
            own_grants := hot.grants_of(old_relation);
            select coalesce(jsonb_agg(jsonb_build_object(
                'name', view.oid::regclass::text,
                'options', coalesce('with (' || array_to_string(view.reloptions, ', ') || ')', ''),
                'definition', pg_get_viewdef(view.oid),
                'owner', case when view.relowner::regrole::text <> current_user then view.relowner::regrole::text end,
                'grants', to_jsonb(hot.grants_of(view.oid)),
                'comments', to_jsonb(hot.comments_of(view.oid))
            )), '[]')
            into dependants
            from pg_class as view
            where view.relkind = 'v'
                and view.oid in (
                    select rule.ev_class
                    from pg_rewrite as rule
                    inner join pg_depend as dependency on rule.oid = dependency.objid
                    where dependency.refobjid = old_relation and rule.ev_class <> old_relation
                );
            -- The views first, as a reader locks them first. No cascade: what else stands on them stops the rebuild
            -- with Postgres' own list, and nothing is lost.
            for dependant in select * from jsonb_array_elements(dependants) loop
                execute format('drop view %s', dependant ->> 'name');
            end loop;
            execute format('drop %s hot.%I', (
                select case relkind when 'm' then 'materialized view' when 'v' then 'view' else 'table' end
                from pg_class where oid = old_relation
            ), relation);
        end if;
        execute format('alter materialized view hot.%I rename to %I', relation || '__next', relation);
        for index_name in
            select indexname from pg_indexes
            where schemaname = 'hot' and tablename = relation and indexname like '%\_\_next'
        loop
            execute format('alter index hot.%I rename to %I', index_name, left(index_name, -length('__next')));
        end loop;
        perform hot.carry_over(own_grants, format('hot.%I', relation));
        for dependant in select * from jsonb_array_elements(dependants) loop
            begin
                execute format(
                    'create view %s %s as %s', dependant ->> 'name', dependant ->> 'options', dependant ->> 'definition'
                );
            exception when undefined_column then
                raise notice '% asks for a column that is gone; its own model builds it next', dependant ->> 'name';
                continue;
            end;
            if dependant ->> 'owner' is not null then
                execute format('alter view %s owner to %s', dependant ->> 'name', dependant ->> 'owner');
            end if;
            perform
                hot.carry_over(array(select jsonb_array_elements_text(dependant -> 'grants')), dependant ->> 'name'),
                hot.carry_over(array(select jsonb_array_elements_text(dependant -> 'comments')), dependant ->> 'name');
        end loop;
    end
    $body$;

    -- Creates or replaces a view, also where its columns changed, and keeps its grants; one that is as it should be is
    -- not touched, for replacing waits for its readers and makes others wait. Its comment tells: a fingerprint of what was
    -- asked for and of what Postgres keeps of it, so that a view replaced by hand is put right.
    create or replace function hot.put_view(schema_name text, view_name text, definition text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    as $body$
    declare
        full_name text := format('%I.%I', schema_name, view_name);
        kept_grants text[] := '{}';
        kept_comments text[] := '{}';
    begin
        -- A view made anew after a rebuild has no comment, so that it is put again over the new columns.
        if obj_description(to_regclass(full_name), 'pg_class') = hot.view_fingerprint(to_regclass(full_name), definition)
        then
            return;
        end if;
        begin
            execute format('create or replace view %s with (security_barrier = true) as %s', full_name, definition);
        exception when invalid_table_definition then
            kept_grants := hot.grants_of(full_name::regclass);
            kept_comments := hot.comments_of(full_name::regclass);
            execute format('drop view %s', full_name);
            execute format('create view %s with (security_barrier = true) as %s', full_name, definition);
            perform hot.carry_over(kept_grants, full_name), hot.carry_over(kept_comments, full_name);
        end;
        execute format('comment on view %s is %L', full_name, hot.view_fingerprint(full_name::regclass, definition));
    end
    $body$;

    create or replace function hot.view_fingerprint(relation regclass, definition text) returns text
    language sql stable
    as $body$ select 'vend ' || md5(definition || pg_get_viewdef(relation)) $body$;
{% endmacro %}
