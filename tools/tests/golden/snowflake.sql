-- abort_transaction
select system$abort_transaction(1234567890123456789);

-- add_column
alter table raw.things add column if not exists "NOTE" varchar;

-- arriving
select count(*)
from ops.vend_sync_rows_20240301t120000_000001_things as s
left join raw.things as t
    on s."ID" = t."ID" and t._fivetran_deleted is distinct from true
where t."ID" is null;

-- begin
begin transaction name vend_sync_0123abcd_456789abcdef;

-- check_rows
select
    count(*),
    count("ID"),
    count(distinct "ID"),
    max("UPDATED_AT")
from ops.vend_sync_rows_20240301t120000_000001_things;

-- check_rows
select
    count(*),
    count("ID"),
    count(distinct "ID"),
    null
from ops.vend_sync_keys_20240301t120000_000001_things;

-- check_rows
select
    count(*),
    count("ID"),
    count(distinct "ID"),
    null
from ops.vend_sync_rows_20240301t120000_000001_things;

-- checksum
select coalesce(sum(bitand(md5_number_lower64("ID" || '|' || coalesce(to_char("UPDATED_AT", 'YYYY-MM-DD HH24:MI:SS.FF6'), '')), 1152921504606846975)), 0)
from raw.things
where _fivetran_synced = ? and _fivetran_deleted is distinct from true;

-- checksum
select coalesce(sum(bitand(md5_number_lower64("ID" || '|'), 1152921504606846975)), 0)
from raw.things
where _fivetran_synced = ? and _fivetran_deleted is distinct from true;

-- columns
select
    lower(column_name),
    data_type,
    numeric_precision,
    numeric_scale,
    character_maximum_length
from information_schema.columns
where table_schema = ? and table_name = ?
order by ordinal_position;

-- commit
commit;

-- copy
copy into ops.vend_sync_rows_20240301t120000_000001_things ("ID", "NAME", "AMOUNT", "SMALL", "BIG", "ACTIVE", "DAY", "META", "ORDER", "UPDATED_AT")
from (
    select
        $1:"id"::varchar,
        $1:"name"::varchar,
        $1:"amount"::number(10, 2),
        $1:"small"::number(10, 0),
        $1:"big"::number(19, 0),
        $1:"active"::boolean,
        $1:"day"::date,
        parse_json($1:"meta"::varchar),
        $1:"order"::varchar,
        $1:"updated_at"::timestamp_ntz
    from @ops.vend_sync_stage/20240301t120000_000001/things/rows/
)
files = ('00000.parquet', '00001.parquet', '00002.parquet')
file_format = (
    type = parquet
    compression = auto
    use_vectorized_scanner = true
    use_logical_type = true
    binary_as_text = false
    trim_space = false
    replace_invalid_characters = false
    null_if = ()
)
on_error = abort_statement
purge = false
return_failed_only = false
truncatecolumns = false
force = false
load_uncertain_files = false;

-- copy
copy into ops.vend_sync_keys_20240301t120000_000001_things ("ID")
from (
    select
        $1:"id"::varchar
    from @ops.vend_sync_stage/20240301t120000_000001/things/keys/
)
files = ('00000.parquet', '00001.parquet')
file_format = (
    type = parquet
    compression = auto
    use_vectorized_scanner = true
    use_logical_type = true
    binary_as_text = false
    trim_space = false
    replace_invalid_characters = false
    null_if = ()
)
on_error = abort_statement
purge = false
return_failed_only = false
truncatecolumns = false
force = false
load_uncertain_files = false;

-- create_lease
create table if not exists ops.sync_lease (
    id number(1, 0),
    owner varchar,
    taken_at timestamp_ntz,
    expires_at timestamp_ntz
);

-- create_ledger
create table if not exists ops.sync_runs (
    run_id varchar,
    table_name varchar,
    mode varchar,
    status varchar,
    started_at timestamp_ntz,
    finished_at timestamp_ntz,
    watermark timestamp_ntz,
    xid_horizon number(19, 0),
    rows_extracted number(19, 0),
    rows_inserted number(19, 0),
    rows_updated number(19, 0),
    rows_deleted number(19, 0),
    source_rows number(19, 0),
    raw_rows number(19, 0),
    source_checksum number(38, 0),
    raw_checksum number(38, 0),
    error varchar,
    system_identifier varchar
);

-- create_rows
create or replace transient table ops.vend_sync_rows_20240301t120000_000001_things (
    "ID" varchar,
    "NAME" varchar,
    "AMOUNT" number(10, 2),
    "SMALL" number(10, 0),
    "BIG" number(19, 0),
    "ACTIVE" boolean,
    "DAY" date,
    "META" variant,
    "ORDER" varchar,
    "UPDATED_AT" timestamp_ntz
)
data_retention_time_in_days = 0;

-- create_rows
create or replace transient table ops.vend_sync_keys_20240301t120000_000001_things (
    "ID" varchar
)
data_retention_time_in_days = 0;

-- create_rows
create or replace transient table ops.vend_sync_rows_dead_things (
    id varchar
)
data_retention_time_in_days = 0;

-- create_schema
create schema if not exists raw;

-- create_schema
create schema if not exists ops;

-- create_stage
create stage if not exists ops.vend_sync_stage;

-- create_table
create table if not exists raw.things (
    "ID" varchar,
    "NAME" varchar,
    "AMOUNT" number(10, 2),
    "SMALL" number(10, 0),
    "BIG" number(19, 0),
    "ACTIVE" boolean,
    "DAY" date,
    "META" variant,
    "ORDER" varchar,
    "UPDATED_AT" timestamp_ntz,
    _fivetran_synced timestamp_ntz,
    _fivetran_deleted boolean
);

-- digests
select
    left("ID", 2),
    count(*),
    sum(bitand(md5_number_lower64(coalesce(replace(replace("ID", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(replace(replace("NAME", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce("AMOUNT"::number(10, 2)::varchar, '\\N') || '|' || coalesce("SMALL"::number(10, 0)::varchar, '\\N') || '|' || coalesce("BIG"::number(19, 0)::varchar, '\\N') || '|' || coalesce("ACTIVE"::boolean::varchar, '\\N') || '|' || coalesce(to_char("DAY", 'YYYY-MM-DD'), '\\N') || '|' || coalesce(replace(replace("ORDER", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(to_char("UPDATED_AT", 'YYYY-MM-DD HH24:MI:SS.FF6'), '\\N')), 1152921504606846975))
from raw.things
where _fivetran_deleted is distinct from true
group by 1;

-- drop_table
drop table if exists ops.vend_sync_rows_20240301t120000_000001_things;

-- drop_table
drop table if exists ops.vend_sync_keys_20240301t120000_000001_things;

-- drop_table
drop table if exists ops.vend_sync_rows_dead_things;

-- gone
update raw.things
set
    _fivetran_synced = ?,
    _fivetran_deleted = true
where
    _fivetran_deleted is distinct from true
    and "ID" in (select value::varchar from table(flatten(input => parse_json(?))));

-- has_ledger
select count(*)
from information_schema.tables
where table_schema = 'OPS' and table_name = 'SYNC_RUNS';

-- latest
select greatest(max(started_at), max(coalesce(finished_at, started_at)))
from ops.sync_runs;

-- lease_holder
select
    owner,
    taken_at,
    expires_at
from ops.sync_lease;

-- lease_release
update ops.sync_lease
set
    owner = null,
    taken_at = null,
    expires_at = null
where owner = ?;

-- lease_renew
update ops.sync_lease
set expires_at = dateadd(second, 300, sysdate())
where owner = ?;

-- lease_row
merge into ops.sync_lease as t
using (select 1 as id) as s
    on t.id = s.id
when not matched then insert (id) values (s.id);

-- lease_take
update ops.sync_lease
set
    owner = ?,
    taken_at = sysdate(),
    expires_at = dateadd(second, 300, sysdate())
where owner is null or expires_at < sysdate();

-- leftover_tables
select lower(table_name)
from information_schema.tables
where table_schema = 'OPS' and startswith(table_name, 'VEND_SYNC_');

-- live
select count(*)
from raw.things
where _fivetran_deleted is distinct from true;

-- merge
merge into raw.things as t
using (
    select "ID", "NAME", "AMOUNT", "SMALL", "BIG", "ACTIVE", "DAY", "META", "ORDER", "UPDATED_AT", cast(? as timestamp_ntz) as _fivetran_synced, false as _fivetran_deleted
    from ops.vend_sync_rows_20240301t120000_000001_things
) as s
    on t."ID" = s."ID"
when matched then update set
    "NAME" = s."NAME",
    "AMOUNT" = s."AMOUNT",
    "SMALL" = s."SMALL",
    "BIG" = s."BIG",
    "ACTIVE" = s."ACTIVE",
    "DAY" = s."DAY",
    "META" = s."META",
    "ORDER" = s."ORDER",
    "UPDATED_AT" = s."UPDATED_AT",
    _fivetran_synced = s._fivetran_synced,
    _fivetran_deleted = s._fivetran_deleted
when not matched then insert ("ID", "NAME", "AMOUNT", "SMALL", "BIG", "ACTIVE", "DAY", "META", "ORDER", "UPDATED_AT", _fivetran_synced, _fivetran_deleted)
values (s."ID", s."NAME", s."AMOUNT", s."SMALL", s."BIG", s."ACTIVE", s."DAY", s."META", s."ORDER", s."UPDATED_AT", s._fivetran_synced, s._fivetran_deleted);

-- previous
select run_id, table_name, mode, status, started_at, finished_at, watermark, xid_horizon, rows_extracted, rows_inserted, rows_updated, rows_deleted, source_rows, raw_rows, source_checksum, raw_checksum, error, system_identifier
from ops.sync_runs
where status = 'success'
qualify row_number() over (partition by table_name order by started_at desc) = 1;

-- put
put 'file:///vend/stage/00000.parquet' @ops.vend_sync_stage/20240301t120000_000001/things/rows/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true;

-- put
put 'file:///vend/stage/00001.parquet' @ops.vend_sync_stage/20240301t120000_000001/things/rows/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true;

-- put
put 'file:///vend/stage/00002.parquet' @ops.vend_sync_stage/20240301t120000_000001/things/rows/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true;

-- put
put 'file:///vend/stage/00000.parquet' @ops.vend_sync_stage/20240301t120000_000001/things/keys/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true;

-- put
put 'file:///vend/stage/00001.parquet' @ops.vend_sync_stage/20240301t120000_000001/things/keys/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true;

-- record
insert into ops.sync_runs (run_id, table_name, mode, status, started_at, finished_at, watermark, xid_horizon, rows_extracted, rows_inserted, rows_updated, rows_deleted, source_rows, raw_rows, source_checksum, raw_checksum, error, system_identifier)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- recorded
select count(*)
from ops.sync_runs
where run_id = ? and table_name = ? and status = 'success';

-- remove
remove @ops.vend_sync_stage/;

-- remove
remove @ops.vend_sync_stage/20240301t120000_000001/things/rows/;

-- remove
remove @ops.vend_sync_stage/20240301t120000_000001/things/keys/;

-- rollback
rollback;

-- rows
select
    "ID",
    bitand(md5_number_lower64(coalesce(replace(replace("ID", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(replace(replace("NAME", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce("AMOUNT"::number(10, 2)::varchar, '\\N') || '|' || coalesce("SMALL"::number(10, 0)::varchar, '\\N') || '|' || coalesce("BIG"::number(19, 0)::varchar, '\\N') || '|' || coalesce("ACTIVE"::boolean::varchar, '\\N') || '|' || coalesce(to_char("DAY", 'YYYY-MM-DD'), '\\N') || '|' || coalesce(replace(replace("ORDER", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(to_char("UPDATED_AT", 'YYYY-MM-DD HH24:MI:SS.FF6'), '\\N')), 1152921504606846975)
from raw.things
where _fivetran_deleted is distinct from true
    and left("ID", 1) in (select value::varchar from table(flatten(input => parse_json(?))));

-- rows
select
    "ID",
    bitand(md5_number_lower64(coalesce(replace(replace("ID", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(replace(replace("NAME", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce("AMOUNT"::number(10, 2)::varchar, '\\N') || '|' || coalesce("SMALL"::number(10, 0)::varchar, '\\N') || '|' || coalesce("BIG"::number(19, 0)::varchar, '\\N') || '|' || coalesce("ACTIVE"::boolean::varchar, '\\N') || '|' || coalesce(to_char("DAY", 'YYYY-MM-DD'), '\\N') || '|' || coalesce(replace(replace("ORDER", chr(92), chr(92) || chr(92)), '|', chr(92) || '|'), '\\N') || '|' || coalesce(to_char("UPDATED_AT", 'YYYY-MM-DD HH24:MI:SS.FF6'), '\\N')), 1152921504606846975)
from raw.things
where _fivetran_deleted is distinct from true
    and left("ID", 2) in (select value::varchar from table(flatten(input => parse_json(?))));

-- schemas
select lower(schema_name)
from information_schema.schemata
where schema_name in ('RAW', 'OPS');

-- transactions
show transactions;

-- vanished
update raw.things
set
    _fivetran_synced = ?,
    _fivetran_deleted = true
where
    _fivetran_deleted is distinct from true
    and "ID" not in (select "ID" from ops.vend_sync_keys_20240301t120000_000001_things);

-- vanished
update raw.things
set
    _fivetran_synced = ?,
    _fivetran_deleted = true
where
    _fivetran_deleted is distinct from true
    and "ID" not in (select "ID" from ops.vend_sync_rows_20240301t120000_000001_things);

-- widen_column
alter table raw.things alter column "AMOUNT" set data type number(12, 2);
