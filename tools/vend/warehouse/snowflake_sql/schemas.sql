select lower(schema_name)
from information_schema.schemata
where schema_name in ('RAW', 'OPS')
