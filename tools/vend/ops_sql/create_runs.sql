-- One row per `vend run`. status: running, success, warning, error, interrupted. datetime: both engines read it as a
-- timestamp without zone; UTC.
create table if not exists ops.runs (
    run_id varchar,
    status varchar,
    step varchar,
    started_at datetime,
    finished_at datetime,
    as_of datetime,
    sync_run_id varchar,
    rows_loaded bigint,
    relations_built integer,
    tests_passed integer,
    tests_warned integer,
    tests_failed integer,
    figures_compared bigint,
    figures_differing bigint,
    alerts_open integer,
    error varchar
)
