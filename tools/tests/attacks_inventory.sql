-- A sentence for each thing of the tenants' barriers that is not as it should be.
select format('function %s runs for its owner without a search path of its own', oid::regprocedure)
from pg_proc
where pronamespace = 'authz'::regnamespace and proname <> 'new_function'
    and (not prosecdef or coalesce('search_path=pg_catalog, pg_temp' = any(proconfig), false) is false)

union all

select format('%s may be executed by everybody', oid::regprocedure)
from pg_proc
where pronamespace in ('authz'::regnamespace, 'hot'::regnamespace, 'reporting'::regnamespace)
    and has_function_privilege('bi_unbound', oid, 'execute')
    and proname not in ('my_garages', 'sees_all')

union all

select format('%s holds more than USAGE of reporting', rolname)
from pg_roles, pg_namespace
where rolname in ('vend_app', 'vend_bi', 'bi_one', 'app_member')
    and nspname in ('hot', 'authz', 'reporting')
    and (
        has_schema_privilege(rolname, pg_namespace.oid, 'create')
        or has_schema_privilege(rolname, pg_namespace.oid, 'usage') <> (nspname = 'reporting')
    )

union all

select format('%s holds %s on %s.%s', rolname, privilege, nspname, relname)
from pg_roles
cross join pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege
where rolname in ('vend_app', 'vend_bi') and nspname in ('hot', 'authz', 'reporting', 'public')
    and relkind in ('r', 'p', 'v', 'm')
    and has_table_privilege(rolname, pg_class.oid, privilege) <> (
        privilege = 'select' and relname not like 'new\_%'
        and (nspname = 'reporting' or (nspname = 'public' and rolname = 'vend_app'))
    )

union all

select format('vend_sync lacks SELECT on %s, or holds more', relname)
from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'new_table'
    and (
        not has_table_privilege('vend_sync', oid, 'select')
        or has_table_privilege('vend_sync', oid, 'insert, update, delete, truncate')
    )
