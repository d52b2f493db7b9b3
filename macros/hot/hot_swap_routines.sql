{#- What the materializations of the hot side need so that a reader never meets a missing view: both run inside
    the caller's transaction and keep the grants and the views that stand on what they replace. -#}
{% macro hot_swap_routines() %}
    create or replace function hot.grants_of(relation regclass) returns text[]
    language sql stable
    as $body$
        select coalesce(array_agg(format(
            'grant %s on %s to %s%s', acl.privilege_type, '%s',
            case when acl.grantee = 0 then 'public' else replace(quote_ident(pg_get_userbyid(acl.grantee)), '%', '%%') end,
            case when acl.is_grantable then ' with grant option' else '' end
        )), '{}')
        from pg_class as c, aclexplode(c.relacl) as acl
        where c.oid = relation and acl.grantee <> c.relowner
    $body$;

    -- Puts hot.<relation>__next in the place of hot.<relation>.
    create or replace function hot.swap_in(relation text) returns void
    language plpgsql
    as $body$
    declare
        old_relation regclass := to_regclass(format('hot.%I', relation));
        own_grants text[] := '{}';
        dependants jsonb := '[]';
        dependant jsonb;
        statement text;
        index_name text;
    begin
        if old_relation is not null then
            own_grants := hot.grants_of(old_relation);
            select coalesce(jsonb_agg(jsonb_build_object(
                'name', view.oid::regclass::text,
                'options', coalesce('with (' || array_to_string(view.reloptions, ', ') || ')', ''),
                'definition', pg_get_viewdef(view.oid),
                'grants', to_jsonb(hot.grants_of(view.oid))
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
        foreach statement in array own_grants loop
            execute format(statement, format('hot.%I', relation));
        end loop;
        for dependant in select * from jsonb_array_elements(dependants) loop
            begin
                execute format(
                    'create view %s %s as %s', dependant ->> 'name', dependant ->> 'options', dependant ->> 'definition'
                );
                for statement in select * from jsonb_array_elements_text(dependant -> 'grants') loop
                    execute format(statement, dependant ->> 'name');
                end loop;
            exception when undefined_column then
                raise notice '% asks for a column that is gone; its own model builds it next', dependant ->> 'name';
            end;
        end loop;
    end
    $body$;

    -- Creates or replaces a view, also where its columns changed, and keeps its grants; one that is as it should be is
    -- not touched, for replacing waits for its readers and makes others wait.
    create or replace function hot.put_view(schema_name text, view_name text, definition text) returns void
    language plpgsql
    as $body$
    declare
        full_name text := format('%I.%I', schema_name, view_name);
        fingerprint text := 'vend ' || md5(definition);
        kept_grants text[] := '{}';
        statement text;
    begin
        -- A view made anew after a rebuild has no comment, so that it is put again over the new columns.
        if obj_description(to_regclass(full_name), 'pg_class') = fingerprint then
            return;
        end if;
        begin
            execute format('create or replace view %s with (security_barrier = true) as %s', full_name, definition);
        exception when invalid_table_definition then
            kept_grants := hot.grants_of(full_name::regclass);
            execute format('drop view %s', full_name);
            execute format('create view %s with (security_barrier = true) as %s', full_name, definition);
            foreach statement in array kept_grants loop
                execute format(statement, full_name);
            end loop;
        end;
        execute format('comment on view %s is %L', full_name, fingerprint);
    end
    $body$;
{% endmacro %}
