-- What the user may see of each table: its columns, whether it can be read, whether row security filters it.
select
    c.relname::text,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'),
    row_security_active(c.oid)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where n.nspname = %(schema)s and c.relname = any(%(tables)s) and c.relkind in ('r', 'p')
