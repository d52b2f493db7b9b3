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
    it was made from, `made_from`, so all of them add up to that of all of `relation`, gone keys and new ones told as well. -#}
{% macro was_made_from(relation) -%}
    {{- return(
        execute and flags.INTROSPECT and has_fingerprints()
        and agree(
            'select ' ~ fingerprint(['row_hash', made_by()]) ~ ' from ' ~ relation,
            'select cast(sum(made_from) as decimal(38, 0)) from ' ~ this
        )
    ) -}}
{%- endmacro %}
