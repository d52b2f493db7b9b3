-- A line for each thing that would let a tenant see another's row: the views' barrier, the functions behind them, grants
-- and row-level security as `vend build hot` and `vend roles` leave them.
-- depends_on: {{ ref('secure_mv_active_subscriptions') }}
-- depends_on: {{ ref('secure_mv_current_month_metrics') }}
-- depends_on: {{ ref('secure_mv_current_occupancy') }}
-- depends_on: {{ ref('secure_mv_daily_revenue') }}
-- depends_on: {{ ref('secure_mv_failed_payments') }}
with tenants as (

    select
        oid,
        rolname,
        rolsuper or rolbypassrls as is_powerful
    from pg_roles
    where rolname in ('vend_app', 'vend_bi')

),

grants as (

    select
        relation.relname,
        relation.relnamespace::regnamespace::text as schema_name,
        relation.relrowsecurity,
        acl.privilege_type,
        coalesce(tenants.rolname, 'public') as holder
    from pg_class as relation
    cross join aclexplode(relation.relacl) as acl
    left join tenants on acl.grantee = tenants.oid
    where acl.grantee = 0 or tenants.oid is not null

)

select format('%s is a superuser or bypasses row-level security', rolname) as open_to_tenants
from tenants
where is_powerful

union all

select format('reporting.%s is no security barrier', relname)
from pg_class
where relnamespace = 'reporting'::regnamespace and relkind = 'v' and relname like 'mv\_%'
    and coalesce('security_barrier=true' = any(reloptions), false) is false

union all

select format('everybody may execute %s', routine.oid::regprocedure)
from pg_proc as routine
left join lateral aclexplode(routine.proacl) as acl on acl.grantee = 0
where routine.pronamespace = 'authz'::regnamespace and (routine.proacl is null or acl.grantee is not null)

union all

select format('%s has no search path of its own', oid::regprocedure)
from pg_proc
where pronamespace = 'authz'::regnamespace and prosecdef
    and coalesce('search_path=pg_catalog, pg_temp' = any(proconfig), false) is false

union all

select format('%s holds %s on %s.%s', holder, privilege_type, schema_name, relname)
from grants
where schema_name in ('hot', 'authz') or (schema_name = 'reporting' and (holder = 'public' or privilege_type <> 'SELECT'))

union all

select format('vend_app reads public.%s without row-level security', relname)
from grants
where schema_name = 'public' and holder = 'vend_app' and not relrowsecurity
