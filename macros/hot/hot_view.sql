{#- A materialized view of the hot side. Where neither its SQL nor its indexes changed it is refreshed
    concurrently, so readers go on; else a new one is built beside it and put in its place in one transaction. Either way
    the summaries it reads are merged first, of the same instant. Config `grants` is applied; without it grants are kept.
    A fingerprint of SQL and indexes, kept as the view's comment, decides. meta.indexes: a list of
    {name, columns, unique}; one must be unique, or Postgres cannot refresh without blocking. To the model's columns comes
    `always_null`: REFRESH … CONCURRENTLY sorts all rows twice to look for equal ones among those without a null, half of
    what it costs, and by the unique index there are none. reporting does not show it. -#}
{% materialization hot_view, adapter='postgres' %}
    {%- set indexes = (config.get('meta') or {}).get('indexes', []) -%}
    {%- if indexes | selectattr('unique', 'true') | list | length == 0 -%}
        {{ exceptions.raise_compiler_error(this.name ~ ' needs a unique index, to be refreshed without blocking.') }}
    {%- endif -%}
    {%- set definition = 'select own.*, null::boolean as always_null from (\n' ~ sql ~ '\n) as own' -%}
    {%- set fingerprint = 'vend ' ~ local_md5(definition ~ tojson(indexes)) -%}
    {%- set next = this.identifier ~ '__next' -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% set unchanged = run_query(
        "select 1 from pg_class where oid = to_regclass('" ~ this.schema ~ '.' ~ this.identifier ~ "')"
        ~ " and relkind = 'm' and obj_description(oid, 'pg_class') = '" ~ fingerprint ~ "'"
        ~ " and not hot.reads_old_summary(oid)"
    ) | length == 1 %}
    {% set started = run_query("select clock_timestamp()::text").rows[0][0] %}

    {% for id in model.depends_on.nodes if id.startswith('model.') -%}
        {% call statement('merge') -%}
            select * from hot.merge_summary('{{ id.split('.')[2] }}')
        {%- endcall %}
    {% endfor %}
    {% if unchanged and not should_full_refresh() %}
        {% call statement('main') -%}
            refresh materialized view concurrently {{ this.schema }}.{{ this.identifier }}
        {%- endcall %}
    {% else %}
        {% call statement('drop_leftover') -%}
            drop materialized view if exists {{ this.schema }}.{{ next }}
        {%- endcall %}
        {% call statement('main') -%}
            create materialized view {{ this.schema }}.{{ next }} as
            {{ definition }}
        {%- endcall %}
        {% call statement('index_and_swap') -%}
            {% for index in indexes -%}
                create {{ 'unique ' if index.unique }}index {{ index.name }}__next
                on {{ this.schema }}.{{ next }} ({{ index.columns | join(', ') }});
            {% endfor -%}
            comment on materialized view {{ this.schema }}.{{ next }} is '{{ fingerprint }}';
            select hot.swap_in('{{ this.identifier }}');
            analyze {{ this.schema }}.{{ this.identifier }};
        {%- endcall %}
    {% endif %}
    {% if config.get('grants') -%}
        {% call statement('grants') -%}
            select hot.set_grants('{{ this.schema }}.{{ this.identifier }}', $vend_json${{ tojson(config.get('grants')) }}$vend_json$)
        {%- endcall %}
    {%- endif %}
    {% call statement('log_refresh') -%}
        insert into hot.refresh_log (relation, started_at, finished_at, status, rows)
        select '{{ this.identifier }}', '{{ started }}', clock_timestamp(), 'success', count(*)
        from {{ this.schema }}.{{ this.identifier }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='materialized_view')]}) }}
{% endmaterialization %}
