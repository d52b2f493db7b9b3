{#- Before a build of the hot side: the schemas, the clock, the log and the routines that the models and
    `vend refresh` use. Each statement can be rerun. -#}
{% macro prepare_hot() %}
    {%- if target.type == 'postgres' and flags.WHICH in ('build', 'run') and execute -%}
        select pg_advisory_xact_lock(hashtextextended('vend: prepare', 0)); -- two builds at once
        {{ hot_objects() }}
        {{ hot_summary_routines() }}
        {{ hot_capture() }}
        {{ hot_swap_routines() }}
        {{ hot_refresh_procedure() }}
        {{ hot_set_as_of() }}
        select hot.drop_old_summaries();
    {%- endif -%}
{% endmacro %}

{#- What an earlier version left. A hook of its own, for its lock would go with the whole of prepare_hot, and writers note their
    changes in this table. -#}
{% macro upgrade_hot() %}
    {%- if target.type == 'postgres' and flags.WHICH in ('build', 'run') and execute -%}
        do $body$
        declare
            attempts int := 0;
        begin
            while to_regclass('hot.changed_key') is not null and not exists (
                select from pg_attribute where attrelid = to_regclass('hot.changed_key') and attname = 'first_at'
            ) loop
                begin
                    set local lock_timeout = '250ms';
                    alter table hot.changed_key add column first_at timestamp;
                exception when lock_not_available then
                    attempts := attempts + 1;
                    if attempts > 120 then
                        raise;
                    end if;
                    perform pg_sleep(0.25);
                end;
            end loop;
        end
        $body$;
    {%- endif -%}
{% endmacro %}

{#- IF NOT EXISTS of an index or a column locks its table all the same, and a refresh at work with it. -#}
{% macro only_where_missing(relation, statement) %}
    do $body$
    begin
        if to_regclass('{{ relation }}') is null then
            {{ statement }};
        end if;
    end
    $body$;
{% endmacro %}

{#- --as-of fixes the clock of the hot side until a build without it sets it free again. -#}
{% macro hot_set_as_of() %}
    delete from hot.setting;
    {%- if given_as_of() %}
        insert into hot.setting (as_of) values ({{ as_of() }});
    {%- endif %}
{% endmacro %}

{% macro hot_objects() %}
    create schema if not exists hot;
    create schema if not exists reporting;
    revoke all on schema hot, reporting from public;

    create table if not exists hot.setting (as_of timestamp not null);

    create or replace function hot.as_of() returns timestamp
    language sql stable
    as $body$ select coalesce((select max(as_of) from hot.setting), now() at time zone 'UTC') $body$;
    comment on function hot.as_of() is
    'The instant (naive UTC) up to which events count: the fixed one of a build with --as-of, else now.';

    create or replace function hot.counted_from() returns timestamp
    language sql immutable
    as $body$ select timestamp '-infinity' $body$;
    comment on function hot.counted_from() is
    'From where a summary that adds counts: the beginning of time; where a merge adds, the instant of the one before it.';

    create or replace function hot.reporting_timezone() returns text
    language sql immutable
    as $body$ select '{{ reporting_timezone() }}' $body$;
    comment on function hot.reporting_timezone() is 'The zone whose days and months the hot views show, as they were built.';

    create table if not exists hot.refresh_log (
        relation text not null,
        started_at timestamptz not null,
        finished_at timestamptz,
        status text not null check (status in ('success', 'error')),
        rows bigint,
        error text,
        note text
    );
    {{ only_where_missing('hot.idx_refresh_log_relation',
        'create index idx_refresh_log_relation on hot.refresh_log (relation, started_at)') }}
{% endmacro %}
