-- The columns of the tables in schema %(schema)s: table, column, type, whether it must be filled, kind of table.
-- An enum's type is its name and labels.
select
    class.relname,
    attribute.attname,
    coalesce(
        type.typname || (
            select '(' || string_agg(label.enumlabel, ',' order by label.enumsortorder) || ')'
            from pg_enum as label
            where label.enumtypid = type.oid
        ),
        format_type(attribute.atttypid, attribute.atttypmod)
    ),
    attribute.attnotnull,
    class.relkind::text
from pg_class as class
inner join pg_namespace as namespace on namespace.oid = class.relnamespace
inner join pg_attribute as attribute on attribute.attrelid = class.oid
inner join pg_type as type on type.oid = attribute.atttypid
where
    class.relnamespace = case when %(schema)s = 'pg_temp' then pg_my_temp_schema() else to_regnamespace(%(schema)s)::oid end
    and class.relname = any(%(tables)s)
    and attribute.attnum > 0
    and not attribute.attisdropped
order by class.relname, attribute.attnum
