{#- call hot.refresh(): every materialized view of schema hot, one after the other, each committed by itself and
    never blocking its readers. One refresh at a time; an error in one view is logged and does not stop the rest. -#}
{% macro hot_refresh_procedure() %}
    create or replace procedure hot.refresh()
    language plpgsql
    as $body$
    declare
        lock_key constant bigint := hashtextextended('vend: hot.refresh', 0);
        view_name text;
        begun timestamptz;
        row_count bigint;
        failure text;
    begin
        if not pg_try_advisory_lock(lock_key) then
            raise exception 'another refresh of the hot views is running'
                using errcode = 'lock_not_available', hint = 'It will bring them up to date; nothing to do.';
        end if;
        for view_name in
            select matviewname from pg_matviews where schemaname = 'hot' and matviewname not like '%\_\_next' order by 1
        loop
            begun := clock_timestamp();
            failure := null;
            row_count := null;
            begin
                execute format('refresh materialized view concurrently hot.%I', view_name);
                execute format('select count(*) from hot.%I', view_name) into row_count;
            exception when others then
                failure := sqlerrm;
            end;
            insert into hot.refresh_log (relation, started_at, finished_at, status, rows, error)
            values (
                view_name, begun, clock_timestamp(),
                case when failure is null then 'success' else 'error' end, row_count, failure
            );
            commit;
        end loop;
        perform pg_advisory_unlock(lock_key);
    end
    $body$;
{% endmacro %}
