{#- Summaries: what the hot views add up, kept by key. A table hot.<summary> holds the rows of the view
    hot.<summary>__source as of the last merge; a merge asks the view again for those keys alone that may have changed.
    A summary whose SQL asks hot.counted_from() adds: all but its key are sums over dated rows. Where no row of a key that was
    counted has changed, the same SQL from the last merge on says what to add. -#}
{% macro hot_summary_routines() %}
    create table if not exists hot.summary (
        name text primary key,
        fingerprint text not null,
        key_columns text[] not null,
        watched text[] not null,
        keys_query text not null,
        as_of timestamp,
        updated_at_seen timestamp,
        triggers_seen text,
        passed_query text
    );
    do $body$
    declare
        added text;
    begin
        foreach added in array '{triggers_seen,passed_query}'::text[] loop
            if not exists (select from pg_attribute where attrelid = 'hot.summary'::regclass and attname = added) then
                execute format('alter table hot.summary add column %I text', added);
            end if;
        end loop;
    end
    $body$;
    comment on table hot.summary is
    'One row per summary: its key, the tables it reads, the query of the keys that may have changed, that of what is added to a key (null: each is counted anew), and as of when it is.';

    -- No key and no constraint: a writer's note can neither fail nor wait. All null but the summary: everything.
    create table if not exists hot.changed_key (
        summary text,
        garage_id uuid,
        day date,
        id uuid,
        first_at timestamp
    );
    comment on table hot.changed_key is
    'What writers changed since the last merge, noted by triggers; day is that of UTC, first_at the earliest date among its changed rows (null: not known), id of the summary''s key or a user. All null: everything.';

    -- A table left by a summary that got other columns, once no view reads it any more.
    create or replace function hot.drop_old_summaries() returns void
    language plpgsql
    as $body$
    declare
        old_table text;
    begin
        for old_table in
            select relname from pg_class
            where relnamespace = 'hot'::regnamespace and relkind = 'r' and relname ~ '__old_[0-9]+$'
        loop
            begin
                execute format('drop table hot.%I', old_table);
            exception when dependent_objects_still_exist then
                null;
            end;
        end loop;
    end
    $body$;

    -- Creates a summary, or gives it another definition. Its rows come with the next merge.
    create or replace function hot.put_summary(
        summary_name text, definition text, own_fingerprint text, own_key text[], own_watched text[], own_keys_query text
    ) returns void
    language plpgsql
    as $body$
    declare
        source_view text := format('hot.%I', summary_name || '__source');
        own_table regclass := to_regclass(format('hot.%I', summary_name));
        own_columns constant text := $query$
            select string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
            from pg_attribute where attrelid = %L::regclass and attnum > 0 and not attisdropped
        $query$;
        wanted text;
        found text;
    begin
        if own_table is not null and exists (
            select from hot.summary where name = summary_name and fingerprint = own_fingerprint
        ) then
            return;
        end if;
        perform from hot.summary where name = summary_name for update; -- as a merge: before the views it reads
        begin
            execute format('create or replace view %s as %s', source_view, definition);
        exception when invalid_table_definition then
            execute format('drop view %s', source_view);
            execute format('create view %s as %s', source_view, definition);
        end;
        execute format(own_columns, source_view) into wanted;
        if own_table is not null then
            execute format(own_columns, own_table) into found;
            if (wanted, own_key) is distinct from (found, (select key_columns from hot.summary where name = summary_name))
            then
                -- The views go on reading it until each is built anew.
                execute format('alter index hot.%I rename to %I', summary_name || '_key', 'key__old_' || own_table::oid);
                execute format('alter table hot.%I rename to %I', summary_name, summary_name || '__old_' || own_table::oid);
                own_table := null;
            end if;
        end if;
        if own_table is null then
            execute format('create table hot.%I as select * from %s with no data', summary_name, source_view);
            execute format(
                'create unique index %I on hot.%I (%s)',
                summary_name || '_key', summary_name, array_to_string(own_key, ', ')
            );
        end if;
        insert into hot.summary as old (name, fingerprint, key_columns, watched, keys_query, passed_query)
        values (
            summary_name, own_fingerprint, own_key, own_watched, own_keys_query,
            -- of the parameters of hot.merge_summary's statement, the instant of the last merge
            case when definition like '%hot.counted_from()%' then replace(definition, 'hot.counted_from()', '$3') end
        )
        on conflict (name) do update
        set (fingerprint, key_columns, watched, keys_query, passed_query, as_of, updated_at_seen) = row(
            excluded.fingerprint, excluded.key_columns, excluded.watched, excluded.keys_query, excluded.passed_query,
            null, null
        );
    end
    $body$;

    -- Brings one summary up to hot.as_of(): the keys that may have changed, or everything. Says what differed.
    -- One statement deletes the notes and reads the rows, so both are of one snapshot: a note that commits later stays.
    create or replace function hot.merge_summary(summary_name text, everything boolean default false)
    returns table (added bigint, corrected bigint, removed bigint)
    language plpgsql
    as $body$
    declare
        own hot.summary;
        clock timestamp := hot.as_of();
        captures text[];
        triggers text;
        newest timestamp;
        key_list text;
        rest_of_columns text;
        keys_and_sums text;
        keys_and_fresh text;
        lost text;
        is_nothing boolean := false;
    begin
        select * into own from hot.summary where name = summary_name for update;
        if not found then
            raise exception 'the summary hot.% is not built', summary_name using hint = 'Build it: vend build hot';
        end if;
        select array_agg(hot.capture(watched)), hot.triggers_of(own.watched) into captures, triggers
        from unnest(own.watched) as watched;
        if 'updated_at' = any(captures) then
            select max(updated_at) into newest from public.payments;
        end if;
        everything := everything
            or own.as_of is null or clock < own.as_of
            or 'whole' = any(captures)
            or ('triggers' = any(captures) and own.triggers_seen is distinct from triggers)
            or ('updated_at' = any(captures) and own.updated_at_seen is null)
            or exists (
                select from hot.changed_key
                where summary = summary_name and garage_id is null and id is null
            );
        -- Mostly nothing, where another view has had it merged a moment ago. What is noted meanwhile stays noted.
        if not everything and captures <@ '{triggers}' and not exists (
            select from hot.changed_key where summary = summary_name
        ) then
            execute format(
                'with noted as (select * from hot.changed_key where false),'
                ' clock as not materialized (select $1 as earlier, $2 as later)'
                ' select not exists (select from (%s) as changed)',
                own.keys_query
            ) into is_nothing using own.as_of, clock;
        end if;
        if is_nothing then
            update hot.summary set as_of = clock where name = summary_name;
            return query select 0::bigint, 0::bigint, 0::bigint;
            return;
        end if;
        key_list := array_to_string(own.key_columns, ', ');
        select
            string_agg(quote_ident(attname), ', ' order by attnum) filter (where attname <> all(own.key_columns)),
            string_agg(
                format(case when attname = any(own.key_columns) then '%I' else 'sum(%I)' end, attname), ', ' order by attnum
            )
        into rest_of_columns, keys_and_sums
        from pg_attribute
        where attrelid = format('hot.%I', summary_name)::regclass and attnum > 0 and not attisdropped;
        if everything then
            keys_and_fresh := format('fresh as materialized (select * from hot.%I)', summary_name || '__source');
            lost := format(
                'select ctid from hot.%I as old where not exists (select from fresh where (%s) = (%s))',
                summary_name, hot.qualified(own.key_columns, 'fresh'), hot.qualified(own.key_columns, 'old')
            );
        else
            -- offset 0: key by key through the indexes, and not all keys to pick from
            keys_and_fresh := format(
                'keys as materialized ('
                '   select %1$s, %2$s as anew from (%3$s) as changed where (%1$s) is not null group by %1$s'
                ' ),'
                ' fresh as materialized ('
                '   select source.* from keys cross join lateral'
                '   (select * from hot.%4$I as source where (%5$s) = (%6$s) offset 0) as source'
                '   where keys.anew',
                key_list, case when own.passed_query is null then 'true' else 'bool_or(anew)' end,
                own.keys_query, summary_name || '__source',
                hot.qualified(own.key_columns, 'source'), hot.qualified(own.key_columns, 'keys')
            );
            if own.passed_query is not null then
                keys_and_fresh := keys_and_fresh || format(
                    '   union all'
                    '   select %1$s from ('
                    '       select passed.* from keys cross join lateral'
                    '       (select * from (%3$s) as passed where (%4$s) = (%5$s) offset 0) as passed'
                    '       where not keys.anew'
                    '       union all'
                    '       select old.* from keys cross join lateral'
                    '       (select * from hot.%6$I as old where (%7$s) = (%5$s) offset 0) as old'
                    '       where not keys.anew'
                    '   ) as counted group by %2$s',
                    keys_and_sums, key_list,
                    own.passed_query, hot.qualified(own.key_columns, 'passed'),
                    hot.qualified(own.key_columns, 'keys'), summary_name, hot.qualified(own.key_columns, 'old')
                );
            end if;
            keys_and_fresh := keys_and_fresh || ')';
            lost := format(
                'select old.ctid from keys cross join lateral'
                ' (select ctid from hot.%1$I as old where (%2$s) = (%3$s) offset 0) as old'
                ' where keys.anew and not exists (select from fresh where (%4$s) = (%3$s))',
                summary_name, hot.qualified(own.key_columns, 'old'), hot.qualified(own.key_columns, 'keys'),
                hot.qualified(own.key_columns, 'fresh')
            );
        end if;
        return query execute format(
            'with seen as ('
            '   delete from hot.changed_key'
            '   where summary = $1 and ($2 or garage_id is not null or id is not null)'
            '   returning garage_id, day, first_at, id'
            ' ),'
            ' noted as (select * from seen %1$s),'
            ' clock as not materialized (select $3 as earlier, $4 as later),'
            ' %2$s,'
            ' gone as (delete from hot.%3$I where ctid = any(array(%4$s)) returning 1),'
            ' put as ('
            '   insert into hot.%3$I as old select * from fresh'
            '   on conflict (%5$s) do update set (%6$s) = row(%7$s)'
            '   where (%8$s) is distinct from (%7$s)'
            '   returning xmax = 0 as is_new'
            ' )'
            ' select count(*) filter (where is_new), count(*) filter (where not is_new), (select count(*) from gone)'
            ' from put',
            case when 'updated_at' = any(captures) then
                'union all select garage_id, payment_date::date, null, subscription_id from public.payments'
                ' where updated_at >= $5'
            end,
            keys_and_fresh, summary_name, lost, key_list, rest_of_columns,
            hot.qualified(string_to_array(rest_of_columns, ', '), 'excluded'),
            hot.qualified(string_to_array(rest_of_columns, ', '), 'old')
        ) using summary_name, everything, own.as_of, clock, own.updated_at_seen - interval '{{ var("hot_overlap") }}';
        -- A build may have set the clock since this merge read it, and the rows are counted up to that instant: the next
        -- merge counts all of them anew.
        update hot.summary
        set as_of = case when hot.as_of() = clock then clock end,
            updated_at_seen = coalesce(newest, own.updated_at_seen),
            triggers_seen = triggers
        where name = summary_name;
    end
    $body$;

    create or replace function hot.reads_old_summary(view_oid oid) returns boolean
    language sql stable
    as $body$
        select exists (
            select from pg_rewrite as rule
            inner join pg_depend as dependency on rule.oid = dependency.objid
            inner join pg_class as class on class.oid = dependency.refobjid
            where rule.ev_class = view_oid and dependency.classid = 'pg_rewrite'::regclass
                and class.relname ~ '__old_[0-9]+$'
        )
    $body$;

    create or replace function hot.qualified(column_names text[], alias text) returns text
    language sql immutable
    as $body$ select string_agg(alias || '.' || name, ', ' order by n) from unnest(column_names) with ordinality as c (name, n) $body$;

    drop function if exists hot.merge_summaries_of(regclass);
    -- Merges what a view reads. Returns how many rows of it differed.
    create or replace function hot.merge_summaries_of(relation regclass) returns bigint
    language plpgsql
    as $body$
    declare
        summary_name text;
        differed bigint := 0;
    begin
        for summary_name in
            select name from hot.summary
            where to_regclass(format('hot.%I', name)) in (
                select dependency.refobjid
                from pg_rewrite as rule
                inner join pg_depend as dependency on rule.oid = dependency.objid
                where rule.ev_class = relation and dependency.classid = 'pg_rewrite'::regclass
            )
        loop
            differed := differed + (select added + corrected + removed from hot.merge_summary(summary_name));
        end loop;
        return differed;
    end
    $body$;
{% endmacro %}
