drop table if exists ops.{name}
