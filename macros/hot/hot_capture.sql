{#- How the summaries learn what changed: statement triggers on payments, subscriptions, parked and users that note keys
    in hot.changed_key. They run with the builder's rights, insert and no more, so no writer fails or waits for them. -#}
{% macro hot_capture() %}
    create or replace function hot.note_payments() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    as $body$
    begin
        if tg_op = 'INSERT' then
            insert into hot.changed_key (summary, garage_id, day, first_at)
            select 'sum_daily_payments', garage_id, payment_date::date, min(payment_date)
            from new_rows
            group by garage_id, payment_date::date;
            insert into hot.changed_key (summary, id)
            select distinct 'sum_failed_attempts', subscription_id from new_rows where subscription_id is not null;
        elsif tg_op = 'UPDATE' then
            insert into hot.changed_key (summary, garage_id, day, first_at)
            select 'sum_daily_payments', garage_id, payment_date::date, min(payment_date)
            from (
                select garage_id, payment_date from old_rows
                union all
                select garage_id, payment_date from new_rows
            ) as changed
            group by garage_id, payment_date::date;
            insert into hot.changed_key (summary, id)
            select 'sum_failed_attempts', subscription_id from old_rows where subscription_id is not null
            union
            select 'sum_failed_attempts', subscription_id from new_rows where subscription_id is not null;
        elsif tg_op = 'DELETE' then
            insert into hot.changed_key (summary, garage_id, day, first_at)
            select 'sum_daily_payments', garage_id, payment_date::date, min(payment_date)
            from old_rows
            group by garage_id, payment_date::date;
            insert into hot.changed_key (summary, id)
            select distinct 'sum_failed_attempts', subscription_id from old_rows where subscription_id is not null;
        else
            insert into hot.changed_key (summary) values ('sum_daily_payments'), ('sum_failed_attempts');
        end if;
        return null;
    end
    $body$;

    create or replace function hot.note_subscriptions() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    as $body$
    begin
        if tg_op = 'INSERT' then
            insert into hot.changed_key (summary, garage_id, id)
            select distinct 'sum_garage_subscriptions', garage_id, null::uuid from new_rows
            union all
            select 'sum_failed_attempts', null::uuid, id from new_rows where status::text in ('past_due', 'unpaid');
        elsif tg_op = 'UPDATE' then
            insert into hot.changed_key (summary, garage_id, id)
            select 'sum_garage_subscriptions', garage_id, null::uuid from old_rows
            union
            select 'sum_garage_subscriptions', garage_id, null::uuid from new_rows
            union
            select 'sum_failed_attempts', null::uuid, id from old_rows where status::text in ('past_due', 'unpaid')
            union
            select 'sum_failed_attempts', null::uuid, id from new_rows where status::text in ('past_due', 'unpaid');
        elsif tg_op = 'DELETE' then
            insert into hot.changed_key (summary, garage_id, id)
            select distinct 'sum_garage_subscriptions', garage_id, null::uuid from old_rows
            union all
            select 'sum_failed_attempts', null::uuid, id from old_rows where status::text in ('past_due', 'unpaid');
        else
            insert into hot.changed_key (summary) values ('sum_garage_subscriptions'), ('sum_failed_attempts');
        end if;
        return null;
    end
    $body$;

    create or replace function hot.note_parked() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    as $body$
    begin
        if tg_op = 'INSERT' then
            insert into hot.changed_key (summary, id) select 'sum_stays', id from new_rows;
        elsif tg_op = 'UPDATE' then
            insert into hot.changed_key (summary, id)
            select 'sum_stays', id from old_rows union select 'sum_stays', id from new_rows;
        elsif tg_op = 'DELETE' then
            insert into hot.changed_key (summary, id) select 'sum_stays', id from old_rows;
        else
            insert into hot.changed_key (summary) values ('sum_stays');
        end if;
        return null;
    end
    $body$;

    -- Only whom a subscription names matters, so no user comes or goes without one that is noted.
    create or replace function hot.note_users() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    as $body$
    begin
        insert into hot.changed_key (summary, id)
        select 'sum_failed_attempts', id
        from (
            select id, first_name, last_name, email from new_rows
            except
            select id, first_name, last_name, email from old_rows
        ) as changed;
        return null;
    end
    $body$;

    create or replace function hot.noted_events(table_name text) returns text[]
    language sql immutable
    as $body$
        select case table_name when 'users' then '{update}' else '{insert,update,delete,truncate}' end::text[]
    $body$;

    -- How changes of a table of public are known: 'triggers'; 'updated_at', by an index on it (payments only; what was
    -- deleted, or moved to another day or garage, comes with the next reconcile); 'whole', by reading all of it.
    create or replace function hot.capture(table_name text) returns text
    language sql stable
    as $body$
        select case
            when cardinality(hot.noted_events(table_name)) = (
                select count(*) from pg_trigger
                where tgrelid = format('public.%I', table_name)::regclass
                    and tgname in (select 'vend_note_' || event from unnest(hot.noted_events(table_name)) as event)
                    and tgenabled in ('O', 'A')
            )
            -- rows that logical replication brings fire no statement triggers
            and not exists (select from pg_subscription_rel where srrelid = format('public.%I', table_name)::regclass)
            then 'triggers'
            when table_name = 'payments' and exists (
                select from pg_index
                inner join pg_attribute on attrelid = indrelid and attnum = indkey[0]
                where indrelid = 'public.payments'::regclass and attname = 'updated_at'
                    and indisvalid and indpred is null
            ) then 'updated_at'
            else 'whole'
        end
    $body$;

    -- Changes whenever the triggers of these tables were made, switched off or switched on: what was written meanwhile
    -- was not noted.
    create or replace function hot.triggers_of(table_names text[]) returns text
    language sql stable
    as $body$
        select md5(string_agg(concat_ws(' ', oid, xmin, tgenabled), ', ' order by oid))
        from pg_trigger
        where tgrelid in (select format('public.%I', name)::regclass from unnest(table_names) as name)
            and tgname like 'vend\_note\_%'
    $body$;

    -- Puts the triggers on a table, or takes them away. Waits for no writer longer than a moment, and where it may not,
    -- says so and leaves it at that. What was changed without them is not known, so everything is noted. ALWAYS, which
    -- only the table's owner may say: sessions with session_replication_role = replica fire no others.
    create or replace function hot.watch(table_name text, is_wanted boolean) returns void
    language plpgsql
    as $body$
    declare
        event text;
        events constant text[] := hot.noted_events(table_name);
        attempts int := 0;
        there bigint;
        always bigint;
        is_ours constant boolean := (
            select pg_has_role(relowner, 'usage') from pg_class where oid = format('public.%I', table_name)::regclass
        );
        usual constant text := current_setting('lock_timeout');
    begin
        select count(*), count(*) filter (where tgenabled = 'A') into there, always from pg_trigger
        where tgrelid = format('public.%I', table_name)::regclass and tgname like 'vend\_note\_%';
        if there = (case when is_wanted then cardinality(events) else 0 end) and (always = there or not is_ours) then
            return;
        end if;
        loop
            begin
                perform set_config('lock_timeout', '250ms', true);
                foreach event in array events loop
                    execute format('drop trigger if exists %I on public.%I', 'vend_note_' || event, table_name);
                    if is_wanted then
                        execute format(
                            'create trigger %I after %s on public.%I %s for each statement execute function hot.%I()',
                            'vend_note_' || event, event, table_name,
                            case event
                                when 'insert' then 'referencing new table as new_rows'
                                when 'update' then 'referencing old table as old_rows new table as new_rows'
                                when 'delete' then 'referencing old table as old_rows'
                            end,
                            'note_' || table_name
                        );
                        if is_ours then
                            execute format(
                                'alter table public.%I enable always trigger %I', table_name, 'vend_note_' || event
                            );
                        end if;
                    end if;
                end loop;
                exit;
            exception
                when lock_not_available then
                    attempts := attempts + 1;
                    if attempts > 120 then
                        raise notice 'public.% was never free for its triggers; the next build tries again', table_name;
                        exit;
                    end if;
                    perform pg_sleep(0.25);
                when insufficient_privilege or wrong_object_type then
                    raise notice 'no triggers on public.%: %', table_name, sqlerrm;
                    exit;
            end;
        end loop;
        perform set_config('lock_timeout', usual, true);
        insert into hot.changed_key (summary)
        select summary.name from hot.summary where table_name = any(summary.watched);
    end
    $body$;

    {% for table in ['payments', 'subscriptions', 'parked', 'users'] -%}
        select hot.watch('{{ table }}', {{ 'true' if var('hot_triggers') else 'false' }});
    {% endfor %}
{% endmacro %}
