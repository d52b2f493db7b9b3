select
    lower(column_name),
    data_type,
    numeric_precision,
    numeric_scale,
    character_maximum_length
from information_schema.columns
where table_schema = :schema and table_name = :name
order by ordinal_position
