alter table raw.{table} add column if not exists {column} {type}
