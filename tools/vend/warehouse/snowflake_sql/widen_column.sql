alter table raw.{table} alter column {column} set data type {type}
