{#- call hot.refresh(): every materialized view of schema hot, one after the other, each with the summaries it reads, each
    committed by itself and never blocking its readers. call hot.reconcile(): the same, after every summary was compared
    with the source row by row. One at a time; an error in one relation is logged and does not stop the rest.
    `vend refresh` calls the parts: hot.begin_refresh, then hot.reconcile_one and hot.refresh_one, then hot.end_refresh. -#}
{% macro hot_refresh_procedure() %}
    drop function if exists hot.begin_refresh();
    -- The lock is the session's: whoever stops before hot.end_refresh must let it go.
    create or replace function hot.begin_refresh(patience interval default '0') returns void
    language plpgsql
    as $body$
    declare
        given_up_at constant timestamptz := clock_timestamp() + patience;
    begin
        while not pg_try_advisory_lock(hashtextextended('vend: hot.refresh', 0)) loop
            if clock_timestamp() >= given_up_at then
                raise exception 'another refresh of the hot views is running'
                    using errcode = 'lock_not_available', hint = 'It will bring them up to date; nothing to do.';
            end if;
            perform pg_sleep(0.1);
        end loop;
    end
    $body$;

    -- Whether a view has the rows that its query gives now, each to the byte: what REFRESH … CONCURRENTLY compares, but without
    -- its temporary tables. Of a view that is not small it says no without looking.
    create or replace function hot.is_current(relation regclass) returns boolean
    language plpgsql
    as $body$
    declare
        is_same boolean := false;
    begin
        if pg_relation_size(relation) <= 1024 * 1024 then
            execute format(
                'select not exists ('
                '   select from (%s) as fresh full join %s as held on fresh.* operator(pg_catalog.*=) held.*'
                '   where fresh.* is null or held.* is null'
                ' )',
                rtrim(pg_get_viewdef(relation), ';'), relation
            ) into is_same;
        end if;
        return is_same;
    end
    $body$;

    -- Refreshes one view, or logs why not. One that is as it would be made is left alone.
    create or replace function hot.refresh_one(relation_name text) returns void
    language plpgsql
    as $body$
    declare
        begun timestamptz := clock_timestamp();
        relation regclass;
        row_count bigint;
        failure text;
    begin
        -- Until this transaction ends. For comparing old and new rows: in memory, by a sample, by one process. Without
        -- waiting for the disk: a crash loses the whole transaction, notes taken and log entry too, and the next does it.
        perform
            set_config('synchronous_commit', 'off', true),
            set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, 65536)::text, true),
            set_config('default_statistics_target', '1', true),
            set_config('max_parallel_workers_per_gather', '0', true),
            set_config('jit', 'off', true);
        begin
            relation := format('hot.%I', relation_name);
            if hot.merge_summaries_of(relation) > 0 or not hot.is_current(relation) then
                execute format('refresh materialized view concurrently hot.%I', relation_name);
            end if;
            execute format('select count(*) from hot.%I', relation_name) into row_count;
        exception
            when query_canceled then
                perform pg_advisory_unlock(hashtextextended('vend: hot.refresh', 0));
                raise;
            when others then
                failure := sqlerrm;
        end;
        insert into hot.refresh_log (relation, started_at, finished_at, status, rows, error)
        values (
            relation_name, begun, clock_timestamp(),
            case when failure is null then 'success' else 'error' end, row_count, failure
        );
    end
    $body$;

    -- Compares a summary with the source, repairs it, and logs what it found. Wants a REPEATABLE READ transaction, for
    -- what is written between its two merges would look like a defect.
    create or replace function hot.reconcile_one(summary_name text) returns void
    language plpgsql
    as $body$
    declare
        begun timestamptz := clock_timestamp();
        row_count bigint;
        failure text;
        found_text text;
    begin
        begin
            perform hot.merge_summary(summary_name);
            select format('reconciled: %s rows were missing, %s wrong, %s too many', added, corrected, removed)
            into found_text
            from hot.merge_summary(summary_name, true);
            execute format('select count(*) from hot.%I', summary_name) into row_count;
        exception
            when query_canceled then
                perform pg_advisory_unlock(hashtextextended('vend: hot.refresh', 0));
                raise;
            when others then
                failure := sqlerrm;
        end;
        insert into hot.refresh_log (relation, started_at, finished_at, status, rows, error, note)
        values (
            summary_name, begun, clock_timestamp(),
            case when failure is null then 'success' else 'error' end, row_count, failure, found_text
        );
    end
    $body$;

    -- Forgets old log entries, but for the last success of each relation, and lets the next refresh begin.
    create or replace function hot.end_refresh() returns void
    language sql
    as $body$
        delete from hot.refresh_log as old
        where old.started_at < now() - make_interval(days => {{ var('refresh_log_days') }})
            and (
                old.status <> 'success'
                or exists (
                    select from hot.refresh_log as later
                    where later.relation = old.relation and later.status = 'success' and later.started_at > old.started_at
                )
            );
        select pg_advisory_unlock(hashtextextended('vend: hot.refresh', 0));
        select null::void
    $body$;

    create or replace function hot.views_to_refresh() returns text[]
    language sql stable
    as $body$
        select coalesce(array_agg(matviewname::text order by matviewname), '{}')
        from pg_matviews where schemaname = 'hot' and matviewname not like '%\_\_next'
    $body$;

    -- No reconcile was tried yet on this day of UTC.
    create or replace function hot.reconcile_is_due() returns boolean
    language sql stable
    as $body$
        select not exists (
            select from hot.refresh_log
            where relation in (select name from hot.summary)
                and started_at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'
        )
    $body$;

    create or replace procedure hot.refresh()
    language plpgsql
    as $body$
    declare
        relation_name text;
    begin
        commit; -- inside of somebody's transaction this fails here, before there is a lock
        perform hot.begin_refresh();
        foreach relation_name in array hot.views_to_refresh() loop
            perform hot.refresh_one(relation_name);
            commit;
        end loop;
        perform hot.end_refresh();
    end
    $body$;

    create or replace procedure hot.reconcile()
    language plpgsql
    as $body$
    declare
        relation_name text;
        names text[];
    begin
        commit;
        -- A refresh that began at the same minute has its turn before: what runs once a day is not given up for it.
        perform hot.begin_refresh('10 minutes');
        select coalesce(array_agg(name order by name), '{}') into names from hot.summary;
        foreach relation_name in array names loop
            commit;
            set transaction isolation level repeatable read;
            perform hot.reconcile_one(relation_name);
        end loop;
        commit;
        foreach relation_name in array hot.views_to_refresh() loop
            perform hot.refresh_one(relation_name);
            commit;
        end loop;
        perform hot.end_refresh();
    end
    $body$;

    -- Each hot view, the start of its last successful refresh, its age, null where there was none, and the last run's error.
    select hot.put_view('hot', 'freshness', $vend_view$
    select
        view.matviewname::text as relation,
        max(log.started_at) filter (where log.status = 'success') as last_success_at,
        clock_timestamp() - max(log.started_at) filter (where log.status = 'success') as age,
        (array_agg(log.error order by log.started_at desc))[1] as last_error
    from pg_matviews as view
    left join hot.refresh_log as log on log.relation = view.matviewname
    where view.schemaname = 'hot' and view.matviewname not like '%\_\_next'
    group by view.matviewname
    $vend_view$);
    -- Monitoring reads these and nothing else of hot.
    grant usage on schema hot to pg_monitor;
    grant select on hot.freshness, hot.refresh_log to pg_monitor;
{% endmacro %}
