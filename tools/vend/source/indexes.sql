-- How to drop and how to recreate each constraint and index of the tables %(tables)s,
-- in the order to drop them: foreign keys, then unique keys, then plain indexes.
with
tables as (
    select oid, format('public.%%I', relname) as name
    from pg_class
    where relnamespace = 'public'::regnamespace and relname = any(%(tables)s)
),

keys as (
    select
        case contype when 'f' then 1 else 2 end as turn,
        conname as name,
        format('alter table %%s drop constraint %%I', tables.name, conname) as to_drop,
        format('alter table %%s add constraint %%I %%s', tables.name, conname, pg_get_constraintdef(pg_constraint.oid))
            as to_create
    from pg_constraint
    inner join tables on tables.oid = conrelid
    where contype in ('f', 'u', 'p')
),

plain as (
    select
        3 as turn,
        class.relname as name,
        format('drop index public.%%I', class.relname) as to_drop,
        pg_get_indexdef(class.oid) as to_create
    from pg_index
    inner join tables on tables.oid = indrelid
    inner join pg_class as class on class.oid = indexrelid
    where not exists (select from pg_constraint where conindid = indexrelid)
)

select to_drop, to_create
from (select * from keys union all select * from plain) as parts
order by turn, name
