{#- SQL that makes a view of reporting as it must be: a security barrier that tenants' roles, where these exist, may
    select from and do nothing else with. What other roles hold on it stays. -#}
{% macro open_view(relation) %}
    do $body$
    declare
        place regclass := '{{ relation.schema }}.{{ relation.identifier }}';
        granted text;
        tenant record;
    begin
        if not exists (select from pg_class where oid = place and 'security_barrier=true' = any(reloptions)) then
            execute format('alter view %s set (security_barrier = true)', place);
        end if;
        for tenant in
            select oid, quote_ident(rolname) as name, 'SELECT' as wanted
            from pg_roles where rolname in ('vend_app', 'vend_bi')
            union all
            select 0, 'public', ''
        loop
            select coalesce(string_agg(privilege_type, ',' order by privilege_type), '') into granted
            from pg_class, aclexplode(relacl)
            where pg_class.oid = place and grantee = tenant.oid;
            if granted not in ('', tenant.wanted) then
                execute format('revoke all on %s from %s', place, tenant.name);
            end if;
            if granted <> tenant.wanted and tenant.wanted <> '' then
                execute format('grant select on %s to %s', place, tenant.name);
            end if;
        end loop;
    end
    $body$;
{% endmacro %}
