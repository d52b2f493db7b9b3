{#- A summary of the hot side: a table that holds the rows of its model and is kept by the keys that changed. Another SQL
    compares every row once. meta.key: the columns of its key; meta.watched: the operational tables it follows. -#}
{% materialization hot_summary, adapter='postgres' %}
    {%- set meta = config.get('meta') or {} -%}
    {%- set keys_query = hot_summary_keys(this.identifier) -%}
    {%- set fingerprint = local_md5(sql ~ tojson(meta) ~ keys_query) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        select hot.put_summary(
            '{{ this.identifier }}',
            $vend_sql${{ sql }}$vend_sql$,
            '{{ fingerprint }}',
            '{{ '{' ~ meta.key | join(',') ~ '}' }}',
            '{{ '{' ~ meta.watched | join(',') ~ '}' }}',
            $vend_sql${{ keys_query }}$vend_sql$
        );
        select * from hot.merge_summary('{{ this.identifier }}', {{ 'true' if should_full_refresh() else 'false' }});
        analyze {{ this.schema }}.{{ this.identifier }};
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}
