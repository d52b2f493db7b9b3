-- The enums in public: name, and name with labels as in shape.sql.
select
    type.typname,
    type.typname || '(' || string_agg(label.enumlabel, ',' order by label.enumsortorder) || ')'
from pg_type as type
inner join pg_enum as label on label.enumtypid = type.oid
where type.typnamespace = 'public'::regnamespace
group by type.typname
