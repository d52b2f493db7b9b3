{#- Before an incremental build of a model with a row for each row of a RAW table: deletes what the source deleted since, and
    proves that nothing else is to be done but to take what the loader brought since. For that, the rows that the loader has
    not touched since must be those of RAW, by their keys and times, as many and no others. If they are not, for a loader's times
    were late or rows went without a trace, every row is marked as never seen, so the build takes everything again and readers
    keep what is there until it has. `number` is the column with the key's number, which is read in a fraction of the time. -#}
{% macro forget_what_is_gone(raw_table, staging, key, number, is_named=false) -%}
    {%- set brought -%}
        select id from {{ raw_table }} where cast(_fivetran_synced as {{ type_naive_timestamp() }}) > {{ seen_until() }}
    {%- endset -%}
    {%- set is_gone -%}
        id not in (select {{ key }} from {{ staging }} where _fivetran_synced > {{ seen_until() }})
    {%- endset -%}
    {%- set proof -%}
        select
            kept.row_count as kept_rows,
            due.row_count as due_rows,
            coalesce(kept.times, 0) - coalesce(due.times, 0) as difference,
            gone.row_count as gone_rows
        from (
            select count(*) as row_count, {{ fingerprint([number, '_fivetran_synced']) }} as times
            from {{ this }}
            where {{ number }} not in (
                select {{ key_number(['brought.id']) }} from ({{ brought }}) as brought where brought.id is not null
            )
        ) as kept
        cross join (
            select count(*) as row_count, {{ fingerprint([key_number([key]), '_fivetran_synced']) }} as times
            from {{ staging }}
            where _fivetran_synced <= {{ seen_until() }}
        ) as due
        cross join (
            select count(*) as row_count from ({{ brought }}) as brought where {{ is_gone }}
        ) as gone
    {%- endset -%}
    {%- set forget_all -%}
        update {{ this }} set _fivetran_synced = {{ before_everything() }}, {{ number }} = {{ key_number([key]) }};
        delete from {{ this }} where {{ key }} not in (select {{ key }} from {{ staging }})
    {%- endset -%}
    {%- if execute and flags.INTROSPECT -%}
        {%- set present = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
        {%- set added = [] -%}
        {%- set wanted = [
            ('_fivetran_synced', type_naive_timestamp()), ('row_hash', 'bigint'), (number, 'bigint'), ('made_by', 'varchar')
        ] -%}
        {%- for name, type in wanted + ([('named_from', 'bigint')] if is_named else []) if name not in present -%}
            {%- do added.append('alter table ' ~ this ~ ' add column ' ~ name ~ ' ' ~ type ~ ';') -%}
        {%- endfor -%}
        {%- if added -%}
            {{- return(added | join(' ') ~ forget_all) -}}
        {%- endif -%}
        {%- set found = run_query(proof).rows[0] -%}
        {%- if found[0] != found[1] or found[2] != 0 -%}
            {{- return(forget_all) -}}
        {%- elif found[3] == 0 -%}
            {{- return('') -}}
        {%- endif -%}
    {%- endif -%}
    delete from {{ this }} where {{ key }} in (select brought.id from ({{ brought }}) as brought where {{ is_gone }})
{%- endmacro %}

{#- The latest time of the loader that this table has rows of; before everything where it is empty. -#}
{% macro seen_until() -%}
    (select coalesce(max(_fivetran_synced), {{ before_everything() }}) from {{ this }})
{%- endmacro %}

{% macro before_everything() -%}
    cast('0001-01-01' as {{ type_naive_timestamp() }})
{%- endmacro %}
