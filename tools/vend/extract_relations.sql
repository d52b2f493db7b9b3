-- The relations as the snapshot sees them.
-- parts: what rows can come from: the table itself, its partitions and children; of a view also its definition.
-- shape: changes where a column's values may be others without a row having been written: a column added, dropped or
-- renamed, of another type, a label of an enum renamed, the expression of a generated column replaced.
with recursive relation as (
    select
        c.oid,
        c.relname,
        c.relkind
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where n.nspname = %(schema)s and c.relname = any(%(tables)s) and c.relkind in ('r', 'p', 'v')
),

tree as (
    select
        oid as root,
        oid as member
    from relation
    union all
    select
        tree.root,
        i.inhrelid
    from tree
    inner join pg_catalog.pg_inherits as i on tree.member = i.inhparent
),

attribute as (
    select
        a.attrelid,
        a.attnum,
        a.attname::text as name,
        case t.typtype
            when 'd' then format_type(t.typbasetype, t.typtypmod) else format_type(a.atttypid, a.atttypmod)
        end as type,
        (
            select string_agg(e.enumlabel, ',' order by e.enumsortorder)
            from pg_catalog.pg_enum as e
            where e.enumtypid in (t.oid, t.typbasetype)
        ) as labels,
        (
            select pg_get_expr(d.adbin, d.adrelid)
            from pg_catalog.pg_attrdef as d
            where d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated <> ''
        ) as generated
    from pg_catalog.pg_attribute as a
    inner join pg_catalog.pg_type as t on a.atttypid = t.oid
    where a.attrelid in (select oid from relation) and a.attnum > 0 and not a.attisdropped
)

select
    r.relname::text,
    array(select a.name from attribute as a where a.attrelid = r.oid order by a.attnum),
    array(select a.type from attribute as a where a.attrelid = r.oid order by a.attnum),
    case r.relkind
        when 'v' then array[r.oid || '.' || left(md5(pg_get_viewdef(r.oid)), 8)]
        else array(select tree.member::text from tree where tree.root = r.oid order by tree.member)
    end,
    (
        select left(md5(string_agg(concat_ws(':', a.attnum, a.name, a.type, a.labels, a.generated), ';' order by a.attnum)), 12)
        from attribute as a
        where a.attrelid = r.oid
    )
from relation as r
