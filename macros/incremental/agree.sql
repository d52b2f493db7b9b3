{#- Whether two queries of one number give the same one now: asked while a model is compiled, so that what is costly and has
    nothing to do is not in its SQL at all. False where the warehouse is not asked, as in a compilation without connection. -#}
{% macro agree(one, other) -%}
    {%- if not (execute and flags.INTROSPECT) -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set found = run_query('select (' ~ one ~ ') as one, (' ~ other ~ ') as other').rows[0] -%}
    {{- return(found[0] == found[1]) -}}
{%- endmacro %}

{#- Whether this table was made from the rows that `relation` has now, by one number: each row has the sum of the hashes of those
    it was made from, `made_from`, so all of them add up to that of all of `relation`. False while keys are due, or there are some
    that are gone. -#}
{% macro was_made_from(relation) -%}
    {{- return(
        execute and flags.INTROSPECT and has_columns(['made_from'])
        and agree(
            'select coalesce(' ~ fingerprint(['row_hash', made_by()]) ~ ', 0) from ' ~ relation,
            'select case when count(*) = count(made_from) then coalesce(sum(made_from), 0) end from ' ~ this
        )
    ) -}}
{%- endmacro %}

{#- The condition for the rows of `relation` and of this table among which there are keys to be made anew; false, where there are
    none. The same sums by 16,384 parts of the keys, so that little is looked at where little has changed, and all where much
    has. -#}
{% macro part_that_changed(relation, key) -%}
    {%- if not (execute and flags.INTROSPECT and has_columns(['made_from'])) -%}
        {{- return('true') -}}
    {%- elif was_made_from(relation) -%}
        {{- return('false') -}}
    {%- endif -%}
    {%- set part = 'hash(' ~ key ~ ') % 16384' -%}
    {%- set sums -%}
        select part
        from (
            select {{ part }} as part, {{ fingerprint(['row_hash', made_by()]) }} as sum_of_hashes
            from {{ relation }}
            group by 1
            union all
            select {{ part }} as part, -sum(made_from) as sum_of_hashes
            from {{ this }}
            group by 1
        ) as sums
        group by part
        having sum(sum_of_hashes) <> 0
    {%- endset -%}
    {%- set parts = run_query(sums).columns[0].values() -%}
    {{- return(part ~ ' in (' ~ parts | join(', ') ~ ')' if 0 < parts | length < 1000 else 'true') -}}
{%- endmacro %}
