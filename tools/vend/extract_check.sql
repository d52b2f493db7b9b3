-- What the user may see of each relation: its kind, whether it can be read, whether row security filters it, and
-- whether a foreign table is among its parts.
with recursive tree as (
    select
        c.oid as root,
        c.oid as member
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where n.nspname = %(schema)s and c.relname = any(%(tables)s)
    union all
    select
        tree.root,
        i.inhrelid
    from tree
    inner join pg_catalog.pg_inherits as i on tree.member = i.inhparent
)

select
    c.relname::text,
    c.relkind::text,
    has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select'),
    row_security_active(c.oid),
    exists(
        select 1
        from tree
        inner join pg_catalog.pg_class as m on tree.member = m.oid
        where tree.root = c.oid and m.relkind = 'f'
    )
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where n.nspname = %(schema)s and c.relname = any(%(tables)s) and c.relkind in ('r', 'p', 'v', 'm', 'f')
